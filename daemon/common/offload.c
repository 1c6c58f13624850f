/* SPDX-License-Identifier: MIT */
/*
 * A pool outlives its owner as long as a thread still works for it: nobody can end a getaddrinfo()
 * that waits for a dead DNS server, so such a thread is left behind and frees what it holds itself.
 * Threads that only wait for work are joined, so that none of them still runs while the process ends.
 */
#include "daemon/common/offload.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/util.h"

#define IDLE_SECONDS 10
#define STACK_SIZE_BYTES (256 * 1024)

struct offload {
	struct loop *loop;
	char name[16];
	unsigned threads_max;

	pthread_mutex_t lock; /* everything below, and the state of jobs */
	pthread_cond_t work_there;
	struct list queue; /* struct offload_job nobody works on yet */
	struct list posted; /* struct offload_job whose letter is under way to the loop */
	struct list threads_all; /* struct pool_thread */
	unsigned threads, idle, queued;
	bool closed; /* the owner is gone: nothing may be posted any more */
};

struct pool_thread {
	struct list link; /* offload.threads_all; then of offload_free() */
	struct offload *pool;
	pthread_t id;
	bool working;
	bool joined; /* offload_free() waits for it, and frees this */
};

struct offload_job {
	struct list link; /* offload.queue, then offload.posted */
	struct offload *pool; /* may be gone once the job was canceled */
	struct loop_letter letter;
	offload_work_fn work;
	offload_done_fn done;
	void (*free_fn)(void *data);
	void *data;
	bool running, canceled;
};

static atomic_uint running_threads; /* of all pools */

static void pool_destroy(struct offload *pool)
{
	pthread_cond_destroy(&pool->work_there);
	pthread_mutex_destroy(&pool->lock);
	free(pool);
}

static void job_free(struct offload_job *job, bool with_data)
{
	if (with_data && job->free_fn)
		job->free_fn(job->data);
	free(job);
}

static void forget_posted(struct offload_job *job)
{
	pthread_mutex_lock(&job->pool->lock);
	list_remove(&job->link);
	pthread_mutex_unlock(&job->pool->lock);
}

/* On the loop: the work is done. A cancel may have come while the letter was under way. */
static void on_worked(void *data)
{
	struct offload_job *job = data;

	if (!job->canceled) {
		forget_posted(job);
		job->done(job->data);
	}
	job_free(job, job->canceled);
}

/* NULL: it is time for this thread to end. Called and left with the lock held. */
static struct offload_job *next_job(struct offload *pool)
{
	struct offload_job *job;
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += IDLE_SECONDS;
	while (!pool->closed && list_is_empty(&pool->queue)) {
		int rc;

		pool->idle++;
		rc = pthread_cond_timedwait(&pool->work_there, &pool->lock, &until);
		pool->idle--;
		if (rc == ETIMEDOUT && list_is_empty(&pool->queue))
			return NULL;
	}
	if (pool->closed)
		return NULL;
	job = list_first(&pool->queue, struct offload_job, link);
	list_remove(&job->link);
	pool->queued--;
	job->running = true;
	return job;
}

/* Called with the lock held. */
static void job_worked(struct offload_job *job)
{
	struct offload *pool = job->pool;

	if (pool->closed) {
		job_free(job, true);
		return;
	}
	if (!job->canceled)
		list_append(&pool->posted, &job->link);
	loop_post(pool->loop, &job->letter, on_worked, job);
}

static void *thread_main(void *data)
{
	struct pool_thread *self = data;
	struct offload *pool = self->pool;
	struct offload_job *job;
	bool last, is_joined;

	pthread_mutex_lock(&pool->lock);
	while ((job = next_job(pool))) {
		self->working = true;
		pthread_mutex_unlock(&pool->lock);
		job->work(job->data);
		pthread_mutex_lock(&pool->lock);
		self->working = false;
		job_worked(job);
	}
	is_joined = self->joined;
	if (!is_joined)
		list_remove(&self->link);
	pool->threads--;
	last = pool->closed && pool->threads == 0;
	pthread_mutex_unlock(&pool->lock);
	if (!is_joined) {
		pthread_detach(pthread_self());
		free(self);
	}
	if (last)
		pool_destroy(pool);
	running_threads--;
	return NULL;
}

/* Signals are the main thread's. Called with the lock held. */
static int start_thread(struct offload *pool)
{
	struct pool_thread *thread = calloc(1, sizeof(*thread));
	sigset_t all, before;
	pthread_attr_t attr;
	int rc;

	if (!thread)
		return -1;
	thread->pool = pool;
	sigfillset(&all);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE_BYTES);
	running_threads++;
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&thread->id, &attr, thread_main, thread);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	if (rc != 0) {
		running_threads--;
		free(thread);
		return -1;
	}
	pthread_setname_np(thread->id, pool->name);
	list_append(&pool->threads_all, &thread->link);
	pool->threads++;
	return 0;
}

struct offload *offload_new(struct loop *loop, const char *name, unsigned threads, struct err *err)
{
	struct offload *pool = calloc(1, sizeof(*pool));
	pthread_condattr_t attr;

	if (!pool) {
		err_nomem(err);
		return NULL;
	}
	pool->loop = loop;
	pool->threads_max = threads;
	strncpy(pool->name, name, sizeof(pool->name) - 1);
	list_init(&pool->queue);
	list_init(&pool->threads_all);
	list_init(&pool->posted);
	pthread_mutex_init(&pool->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&pool->work_there, &attr);
	pthread_condattr_destroy(&attr);
	return pool;
}

static void take_idle_threads(struct offload *pool, struct list *ret_idle)
{
	struct pool_thread *thread;

	list_for_each (thread, &pool->threads_all, link) {
		if (thread->working)
			continue;
		thread->joined = true;
		list_remove(&thread->link);
		list_append(ret_idle, &thread->link);
	}
}

void offload_free(struct offload *pool)
{
	struct list idle = LIST_INIT(idle);
	struct pool_thread *thread;
	struct offload_job *job;
	bool unused;

	if (!pool)
		return;
	pthread_mutex_lock(&pool->lock);
	pool->closed = true;
	while ((job = list_first(&pool->queue, struct offload_job, link))) {
		list_remove(&job->link);
		job_free(job, true);
	}
	while ((job = list_first(&pool->posted, struct offload_job, link))) {
		list_remove(&job->link);
		job->canceled = true; /* on_worked() frees it */
	}
	take_idle_threads(pool, &idle);
	pthread_cond_broadcast(&pool->work_there);
	unused = pool->threads == 0;
	pthread_mutex_unlock(&pool->lock);
	if (unused)
		pool_destroy(pool);
	while ((thread = list_first(&idle, struct pool_thread, link))) {
		list_remove(&thread->link);
		pthread_join(thread->id, NULL);
		free(thread);
	}
}

void offload_exit(int status)
{
	if (running_threads == 0)
		exit(status);
	fflush(NULL);
	_exit(status);
}

struct offload_job *offload_submit(struct offload *pool, offload_work_fn work, offload_done_fn done,
				   void (*free_fn)(void *data), void *data)
{
	struct offload_job *job = calloc(1, sizeof(*job));
	bool hopeless;

	if (!job)
		return NULL;
	*job = (struct offload_job){
		.pool = pool, .work = work, .done = done, .free_fn = free_fn, .data = data
	};
	list_init(&job->link);
	pthread_mutex_lock(&pool->lock);
	hopeless = pool->idle <= pool->queued && pool->threads < pool->threads_max &&
		   start_thread(pool) < 0 && pool->threads == 0;
	if (!hopeless) {
		list_append(&pool->queue, &job->link);
		pool->queued++;
		pthread_cond_signal(&pool->work_there);
	}
	pthread_mutex_unlock(&pool->lock);
	if (hopeless) {
		free(job);
		return NULL;
	}
	return job;
}

void offload_cancel(struct offload_job *job)
{
	struct offload *pool;
	bool queued;

	if (!job)
		return;
	pool = job->pool;
	pthread_mutex_lock(&pool->lock);
	queued = !job->running;
	job->canceled = true;
	list_remove(&job->link);
	if (queued)
		pool->queued--;
	pthread_mutex_unlock(&pool->lock);
	if (queued)
		job_free(job, true);
}
