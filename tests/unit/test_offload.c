/* SPDX-License-Identifier: MIT */
/*
 * Threads for what blocks: where each part of a job runs, and that no way of losing interest in one
 * (cancel, free, at any stage of its life) calls done or leaks. Jobs wait for semaphores the test
 * holds, so that every stage can be looked at.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/common/offload.h"
#include "tests/unit/real_loop.h"

static struct loop *loop;
static struct offload *pool;

/* What happened to the jobs. */
static pthread_t worked_on, done_on;
static atomic_uint worked, done, freed, running, most_running;
static sem_t started, go, gone;

struct work {
	unsigned quit_at; /* quits the loop when that many are done; 0: never */
};

static void sem_take(sem_t *sem)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += REAL_LOOP_LIMIT_MS / 1000;
	assert_int_equal(sem_timedwait(sem, &until), 0);
}

static void on_work(void *data)
{
	worked_on = pthread_self();
	worked++;
}

static void on_stuck_work(void *data)
{
	unsigned now = ++running;

	while (now > most_running)
		most_running = now;
	sem_post(&started);
	while (sem_wait(&go) < 0)
		;
	running--;
	worked++;
}

static void on_free(void *data)
{
	free(data);
	freed++;
	sem_post(&gone);
}

static void on_done(void *data)
{
	struct work *w = data;
	unsigned quit_at = w->quit_at;

	done_on = pthread_self();
	free(w);
	if (++done == quit_at)
		loop_quit(loop, 0);
}

static struct offload_job *submit(offload_work_fn work, unsigned quit_at)
{
	struct work *w = calloc(1, sizeof(*w));
	struct offload_job *job;

	assert_non_null(w);
	w->quit_at = quit_at;
	job = offload_submit(pool, work, on_done, on_free, w);
	assert_non_null(job);
	return job;
}

static void open_pool(unsigned threads)
{
	struct err err;

	pool = offload_new(loop, "test", threads, &err);
	assert_non_null(pool);
}

static int set_up(void **state)
{
	loop = real_loop_new();
	worked = done = freed = running = most_running = 0;
	sem_init(&started, 0, 0);
	sem_init(&go, 0, 0);
	sem_init(&gone, 0, 0);
	return 0;
}

static int tear_down(void **state)
{
	offload_free(pool);
	pool = NULL;
	loop_free(loop);
	return 0;
}

/* ---- a job's life ---- */

static void test_works_on_a_thread_and_is_done_on_the_loop(void **state)
{
	open_pool(1);
	submit(on_work, 1);
	assert_int_equal(done, 0); /* never from within submit */
	real_loop_run(loop);
	assert_int_equal(worked, 1);
	assert_false(pthread_equal(worked_on, pthread_self()));
	assert_true(pthread_equal(done_on, pthread_self()));
	assert_int_equal(freed, 0); /* done() freed it */
}

static void test_a_pool_can_be_used_again(void **state)
{
	open_pool(2);
	for (unsigned i = 1; i <= 50; i++) {
		submit(on_work, i);
		real_loop_run(loop);
	}
	assert_int_equal(worked, 50);
	assert_int_equal(done, 50);
}

/* Each waits until all run: fewer threads than jobs would never get there. */
static void test_as_many_at_a_time_as_there_are_threads(void **state)
{
	open_pool(3);
	for (int i = 0; i < 6; i++)
		submit(on_stuck_work, 6);
	for (int i = 0; i < 3; i++)
		sem_take(&started);
	for (int i = 0; i < 6; i++)
		sem_post(&go);
	real_loop_run(loop);
	assert_int_equal(most_running, 3);
	assert_int_equal(done, 6);
}

/* ---- cancel ---- */

static void test_canceling_a_queued_job(void **state)
{
	struct offload_job *job;

	open_pool(1);
	submit(on_stuck_work, 1);
	sem_take(&started);
	job = submit(on_work, 0);
	offload_cancel(job);
	assert_int_equal(freed, 1); /* at once: no thread has it */
	sem_post(&go);
	real_loop_run(loop);
	assert_int_equal(worked, 1);
	assert_int_equal(done, 1);
}

static void test_canceling_a_running_job(void **state)
{
	struct offload_job *job;

	open_pool(1);
	job = submit(on_stuck_work, 0);
	sem_take(&started);
	offload_cancel(job);
	assert_int_equal(freed, 0); /* the thread uses it */
	sem_post(&go);
	submit(on_work, 1); /* its letter comes after that of the first */
	real_loop_run(loop);
	assert_int_equal(freed, 1);
	assert_int_equal(done, 1);
}

/* The only thread has begun the second job: the first one's letter is under way. */
static struct offload_job *submit_and_let_it_be_posted(void)
{
	struct offload_job *job = submit(on_work, 0);

	submit(on_stuck_work, 1);
	sem_take(&started);
	return job;
}

static void test_canceling_a_job_that_has_worked(void **state)
{
	open_pool(1);
	offload_cancel(submit_and_let_it_be_posted());
	assert_int_equal(freed, 0);
	sem_post(&go);
	real_loop_run(loop);
	assert_int_equal(freed, 1);
	assert_int_equal(done, 1); /* the second */
}

static void test_canceling_nothing(void **state)
{
	offload_cancel(NULL);
	offload_free(NULL);
}

/* ---- free ---- */

static void test_free_does_not_wait_for_a_stuck_job(void **state)
{
	open_pool(1);
	submit(on_stuck_work, 0);
	sem_take(&started);
	submit(on_work, 0); /* still queued */
	offload_free(pool);
	pool = NULL;
	assert_int_equal(freed, 1); /* the queued one */
	sem_take(&gone);
	sem_post(&go);
	sem_take(&gone); /* the stuck one, by its thread */
	assert_int_equal(freed, 2);
	assert_int_equal(worked, 1);
	assert_int_equal(done, 0);
}

static void test_free_cancels_what_is_on_its_way_to_the_loop(void **state)
{
	open_pool(1);
	submit_and_let_it_be_posted();
	offload_free(pool);
	pool = NULL;
	real_loop_turns(loop, 2);
	assert_int_equal(done, 0);
	assert_int_equal(freed, 1);
	sem_post(&go);
	sem_take(&gone);
	sem_take(&gone);
	assert_int_equal(freed, 2);
}

/* ---- the end of the process ---- */

static void on_exit_handlers_run(void)
{
	_exit(20);
}

/* How a process ends that has freed its pool and calls offload_exit(10). */
static int exit_status_with(offload_work_fn work)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		atexit(on_exit_handlers_run);
		open_pool(1);
		submit(work, 1);
		if (work == on_stuck_work)
			sem_take(&started);
		else
			real_loop_run(loop);
		offload_free(pool);
		offload_exit(10);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_the_end_is_an_orderly_one(void **state)
{
	assert_int_equal(exit_status_with(on_work), 20);
}

static void test_nothing_is_torn_down_under_a_stuck_job(void **state)
{
	assert_int_equal(exit_status_with(on_stuck_work), 10);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* First: a process that forks must have no threads. */
		CASE(test_the_end_is_an_orderly_one),
		CASE(test_nothing_is_torn_down_under_a_stuck_job),
		CASE(test_works_on_a_thread_and_is_done_on_the_loop),
		CASE(test_a_pool_can_be_used_again),
		CASE(test_as_many_at_a_time_as_there_are_threads),
		CASE(test_canceling_a_queued_job),
		CASE(test_canceling_a_running_job),
		CASE(test_canceling_a_job_that_has_worked),
		CASE(test_canceling_nothing),
		CASE(test_free_does_not_wait_for_a_stuck_job),
		CASE(test_free_cancels_what_is_on_its_way_to_the_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
