/* SPDX-License-Identifier: MIT */
/*
 * Names to addresses, with a getaddrinfo(3) that counts, waits and fails as it is told for names
 * that start with "scripted"; all other names go to the real one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/worker/resolve.h"
#include "lib/util.h"
#include "tests/unit/real_loop.h"

/* ---- the scripted name server ---- */

typedef int (*getaddrinfo_fn)(const char *node, const char *service, const struct addrinfo *hints,
			      struct addrinfo **res);

static atomic_uint asked;
static sem_t may_answer; /* a post for each answer */
static int answer_rc, answer_errno;

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
		struct addrinfo **res)
{
	getaddrinfo_fn real = (getaddrinfo_fn)dlsym(RTLD_NEXT, "getaddrinfo");

	if (strncmp(node, "scripted", strlen("scripted")) != 0)
		return real(node, service, hints, res);
	asked++;
	while (sem_wait(&may_answer) < 0)
		;
	errno = answer_errno;
	return answer_rc != 0 ? answer_rc : real("192.0.2.7", service, hints, res);
}

/* ---- who asks ---- */

#define RESOLVE_THREADS 8 /* of a resolver: that many names are asked for at the same time */

struct asker {
	struct resolve_request request;
	unsigned answers;
	size_t count;
	char first[64];
	struct err err;
	bool quits;
	struct asker *cancels, *asks_for; /* in its answer */
};

static struct loop *loop;
static struct resolver *resolver;
static struct asker askers[RESOLVE_THREADS + 2];

static void ask(struct asker *a, const char *host);

static void on_done(void *data, const struct address *addresses, size_t count,
		    const struct err *err)
{
	struct asker *a = data;

	assert_true((count > 0) == !err);
	a->answers++;
	a->count = count;
	if (err)
		a->err = *err;
	else
		address_format(&addresses[0], a->first, sizeof(a->first));
	if (a->cancels)
		resolve_cancel(&a->cancels->request);
	if (a->asks_for)
		ask(a->asks_for, "scripted.example");
	if (a->quits)
		loop_quit(loop, 0);
}

static void ask(struct asker *a, const char *host)
{
	struct err err;

	assert_int_equal(resolve_start(resolver, &a->request, host, on_done, a, &err), 0);
	assert_int_equal(a->answers, 0); /* never from within */
}

static void run_one(const char *host)
{
	askers[0] = (struct asker){ .quits = true };
	ask(&askers[0], host);
	real_loop_run(loop);
	assert_int_equal(askers[0].answers, 1);
}

static int set_up(void **state)
{
	struct err err;

	loop = real_loop_new();
	resolver = resolver_new(loop, "names", 512, &err);
	assert_non_null(resolver);
	memset(askers, 0, sizeof(askers));
	asked = 0;
	answer_rc = answer_errno = 0;
	return sem_init(&may_answer, 0, 0);
}

static int tear_down(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(askers); i++)
		resolve_cancel(&askers[i].request);
	resolver_free(resolver);
	loop_free(loop);
	return 0;
}

/* ---- answers ---- */

static void test_numeric_addresses(void **state)
{
	static const struct {
		const char *host, *first;
	} cases[] = {
		{ "192.0.2.7", "192.0.2.7:0" },
		{ "2001:db8::1", "[2001:db8::1]:0" },
		{ "::1", "[::1]:0" },
		{ "fe80::1%lo", "[fe80::1%lo]:0" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		run_one(cases[i].host);
		assert_int_equal(askers[0].count, 1);
		assert_string_equal(askers[0].first, cases[i].first);
	}
}

static void test_what_looks_numeric_and_is_not(void **state)
{
	run_one("2001:db8::nonsense");
	assert_int_equal(askers[0].err.code, ERR_RESOLVE);
	assert_non_null(strstr(askers[0].err.msg, "'2001:db8::nonsense'"));
}

static void test_localhost(void **state)
{
	run_one("localhost");
	assert_int_equal(askers[0].err.code, ERR_NONE);
	assert_true(strcmp(askers[0].first, "127.0.0.1:0") == 0 ||
		    strcmp(askers[0].first, "[::1]:0") == 0);
}

static void test_failures_say_what_to_do(void **state)
{
	static const struct {
		int rc, sys;
		const char *says;
	} cases[] = {
		{ EAI_NONAME, 0, "no such name" },
		{ EAI_AGAIN, 0, "does not answer" },
		{ EAI_SYSTEM, EMFILE, "Too many open files" },
		{ EAI_FAIL, 0, ": " },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		answer_rc = cases[i].rc;
		answer_errno = cases[i].sys;
		sem_post(&may_answer);
		run_one("scripted.invalid");
		assert_int_equal(askers[0].count, 0);
		assert_int_equal(askers[0].err.code, ERR_RESOLVE);
		assert_non_null(strstr(askers[0].err.msg, "cannot resolve 'scripted.invalid'"));
		assert_non_null(strstr(askers[0].err.msg, cases[i].says));
	}
}

/* ---- one query for all ---- */

static void test_a_name_is_asked_for_once_at_a_time(void **state)
{
	ask(&askers[0], "scripted.example");
	ask(&askers[1], "scripted.example");
	ask(&askers[2], "scripted.example");
	askers[2].quits = true;
	sem_post(&may_answer);
	real_loop_run(loop);
	assert_int_equal(asked, 1);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(askers[i].answers, 1);
		assert_string_equal(askers[i].first, "192.0.2.7:0");
	}
	sem_post(&may_answer);
	run_one("scripted.example"); /* nothing is kept: the answer may have changed */
	assert_int_equal(asked, 2);
}

static void test_different_names_do_not_wait_for_each_other(void **state)
{
	ask(&askers[1], "scripted.stuck");
	run_one("localhost");
	assert_int_equal(askers[1].answers, 0);
	sem_post(&may_answer);
	askers[1].quits = true;
	real_loop_run(loop);
	assert_int_equal(askers[1].answers, 1);
}

/* ---- losing interest ---- */

static void test_a_canceled_request_is_not_answered(void **state)
{
	ask(&askers[0], "scripted.example");
	ask(&askers[1], "scripted.example");
	resolve_cancel(&askers[0].request);
	resolve_cancel(&askers[0].request);
	askers[1].quits = true;
	sem_post(&may_answer);
	real_loop_run(loop);
	assert_int_equal(askers[0].answers, 0);
	assert_int_equal(askers[1].answers, 1);
	resolve_cancel(&askers[1].request); /* answered already */
}

static void test_canceling_a_numeric_one(void **state)
{
	ask(&askers[0], "192.0.2.7");
	resolve_cancel(&askers[0].request);
	real_loop_turns(loop, 2);
	assert_int_equal(askers[0].answers, 0);
}

static void test_an_answer_cancels_the_next(void **state)
{
	ask(&askers[0], "192.0.2.7");
	ask(&askers[1], "192.0.2.7");
	askers[0].cancels = &askers[1];
	real_loop_turns(loop, 2);
	assert_int_equal(askers[0].answers, 1);
	assert_int_equal(askers[1].answers, 0);
}

static void test_an_answer_asks_again(void **state)
{
	ask(&askers[0], "scripted.example");
	askers[0].asks_for = &askers[1];
	askers[1].quits = true;
	sem_post(&may_answer);
	sem_post(&may_answer);
	real_loop_run(loop);
	assert_int_equal(askers[0].answers, 1);
	assert_int_equal(askers[1].answers, 1);
	assert_int_equal(asked, 2);
}

static unsigned count_answers(void)
{
	unsigned count = 0;

	for (size_t i = 0; i < ARRAY_SIZE(askers); i++)
		count += askers[i].answers;
	return count;
}

static void ask_for_numbered(size_t i)
{
	char name[32];

	snprintf(name, sizeof(name), "scripted%zu.example", i);
	askers[i].quits = true;
	ask(&askers[i], name);
}

/* Clients that gave up leave no work behind that others would have to wait for. */
static void test_a_name_nobody_waits_for_is_not_asked_for(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(askers); i++)
		ask_for_numbered(i);
	resolve_cancel(&askers[RESOLVE_THREADS].request); /* all threads are busy with others */
	for (size_t i = 0; i < ARRAY_SIZE(askers) - 1; i++)
		sem_post(&may_answer);
	while (count_answers() < ARRAY_SIZE(askers) - 1)
		real_loop_run(loop);
	assert_int_equal(askers[RESOLVE_THREADS].answers, 0);
	assert_int_equal(asked, ARRAY_SIZE(askers) - 1);
}

static void test_a_name_that_another_waits_for_is(void **state)
{
	for (size_t i = 0; i < RESOLVE_THREADS; i++)
		ask_for_numbered(i);
	ask(&askers[RESOLVE_THREADS], "scripted.example");
	ask(&askers[RESOLVE_THREADS + 1], "scripted.example");
	resolve_cancel(&askers[RESOLVE_THREADS].request);
	askers[RESOLVE_THREADS + 1].quits = true;
	for (size_t i = 0; i < RESOLVE_THREADS + 1; i++)
		sem_post(&may_answer);
	while (count_answers() < RESOLVE_THREADS + 1)
		real_loop_run(loop);
	assert_int_equal(askers[RESOLVE_THREADS].answers, 0);
	assert_int_equal(askers[RESOLVE_THREADS + 1].answers, 1);
}

/* ---- the limit ---- */

static void use_resolver_with(unsigned queries_max)
{
	struct err err;

	resolver_free(resolver);
	resolver = resolver_new(loop, "names", queries_max, &err);
	assert_non_null(resolver);
}

static void test_too_many_names(void **state)
{
	struct asker late = { 0 };
	struct err err;

	use_resolver_with(2);
	ask(&askers[0], "scripted.one");
	ask(&askers[1], "scripted.two");
	assert_int_equal(
		resolve_start(resolver, &late.request, "scripted.three", on_done, &late, &err), -1);
	assert_int_equal(err.code, ERR_LIMIT);
	resolve_cancel(&late.request); /* nothing */
	ask(&askers[2], "scripted.two"); /* is being asked for already */
	askers[0].quits = askers[1].quits = true;
	sem_post(&may_answer);
	sem_post(&may_answer);
	while (count_answers() < 3)
		real_loop_run(loop);
	assert_int_equal(late.answers, 0);
	run_one("localhost"); /* there is room again */
}

static void test_a_canceled_name_makes_room(void **state)
{
	use_resolver_with(1);
	ask(&askers[1], "scripted.stuck");
	resolve_cancel(&askers[1].request);
	run_one("localhost");
	sem_post(&may_answer);
}

/* Numeric, queued and stuck: free waits for none of them. */
static void test_free_with_queries_under_way(void **state)
{
	struct err err;

	ask(&askers[0], "scripted.stuck");
	ask(&askers[1], "192.0.2.7");
	for (size_t i = 0; i < ARRAY_SIZE(askers); i++)
		resolve_cancel(&askers[i].request);
	resolver_free(resolver);
	sem_post(&may_answer);
	real_loop_turns(loop, 2);
	assert_int_equal(askers[0].answers + askers[1].answers, 0);
	resolver = resolver_new(loop, "names", 512, &err);
	assert_non_null(resolver);
}

/* ---- addresses as text ---- */

static void test_addresses_with_ports(void **state)
{
	struct address v4 = { .sa.ss_family = AF_INET, .length = sizeof(struct sockaddr_in) };
	struct address v6 = { .sa.ss_family = AF_INET6, .length = sizeof(struct sockaddr_in6) };
	char text[64];

	address_set_port(&v4, 65535);
	address_format(&v4, text, sizeof(text));
	assert_string_equal(text, "0.0.0.0:65535");
	address_set_port(&v6, 22);
	address_format(&v6, text, sizeof(text));
	assert_string_equal(text, "[::]:22");
	address_format(&v6, text, 4);
	assert_string_equal(text, "[::");
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_numeric_addresses),
		CASE(test_what_looks_numeric_and_is_not),
		CASE(test_localhost),
		CASE(test_failures_say_what_to_do),
		CASE(test_a_name_is_asked_for_once_at_a_time),
		CASE(test_different_names_do_not_wait_for_each_other),
		CASE(test_a_canceled_request_is_not_answered),
		CASE(test_canceling_a_numeric_one),
		CASE(test_an_answer_cancels_the_next),
		CASE(test_an_answer_asks_again),
		CASE(test_a_name_nobody_waits_for_is_not_asked_for),
		CASE(test_a_name_that_another_waits_for_is),
		CASE(test_too_many_names),
		CASE(test_a_canceled_name_makes_room),
		CASE(test_free_with_queries_under_way),
		CASE(test_addresses_with_ports),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
