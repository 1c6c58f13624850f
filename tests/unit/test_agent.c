/* SPDX-License-Identifier: MIT */
/*
 * The agent's client on the real loop, with a test in the agent's place: what is asked, and what
 * becomes of each way in which an agent can fail to answer.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "daemon/worker/agent.h"
#include "lib/str.h"
#include "lib/util.h"
#include "tests/unit/key_samples.h"
#include "tests/unit/real_loop.h"

#define LONG_MS 15000
#define SHORT_MS 30

static char dir[64];
static struct sockaddr_un address;
static struct loop *loop;
static struct agent *agent;
static int listener, served; /* served: the agent's end of the connection */
static unsigned progress;

static void on_progress(void *data)
{
	progress++;
}

static void listen_again(int backlog)
{
	unlink(address.sun_path);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_true(listener >= 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listener, backlog), 0);
}

static int set_up(void **state)
{
	struct err err;

	snprintf(dir, sizeof(dir), "/tmp/test_agent.XXXXXX");
	assert_non_null(mkdtemp(dir));
	address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/sock", dir);
	listener = served = -1;
	progress = 0;
	loop = real_loop_new();
	agent = agent_new(loop, address.sun_path, on_progress, NULL, &err);
	assert_non_null(agent);
	return 0;
}

static int tear_down(void **state)
{
	agent_free(agent);
	real_loop_turns(loop, 1);
	loop_free(loop);
	closep(&listener);
	closep(&served);
	unlink(address.sun_path);
	assert_int_equal(rmdir(dir), 0);
	return 0;
}

/* Until the client says that something has changed. */
static void run(void)
{
	unsigned before = progress;

	for (int i = 0; i < 100000 && progress == before; i++)
		real_loop_turns(loop, 1);
	assert_true(progress > before);
}

static void serve(void)
{
	closep(&served);
	served = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
	assert_true(served >= 0);
}

/* The question the client has sent is exactly this. */
static void expect(struct ssh_span wanted)
{
	char bytes[4096];
	ssize_t n = recv(served, bytes, sizeof(bytes), 0);

	assert_int_equal(n, wanted.size);
	assert_memory_equal(bytes, wanted.data, wanted.size);
}

static void say(const void *bytes, size_t size)
{
	assert_int_equal(send(served, bytes, size, MSG_NOSIGNAL), size);
}

static void ask_keys(unsigned limit_ms)
{
	static const unsigned char question[] = { 0, 0, 0, 1, AGENT_REQUEST_IDENTITIES };

	listen_again(4);
	agent_ask_keys(agent, limit_ms);
	real_loop_turns(loop, 2);
	serve();
	expect((struct ssh_span){ question, sizeof(question) });
	assert_int_equal(agent_step(agent, NULL), STEP_WAIT);
}

static void refused(const char *says)
{
	struct err err = { 0 };

	assert_int_equal(agent_step(agent, &err), STEP_FAIL);
	assert_int_equal(err.code, ERR_AGENT);
	if (!strstr(err.msg, says) || !strstr(err.msg, address.sun_path))
		fail_msg("no '%s' in: %s", says, err.msg);
}

static const unsigned char no_keys[] = { 0, 0, 0, 5, AGENT_IDENTITIES_ANSWER, 0, 0, 0, 0 };

static void answered(void)
{
	struct ssh_span wanted = { no_keys + 4, sizeof(no_keys) - 4 };

	assert_int_equal(agent_step(agent, NULL), STEP_NEXT);
	assert_true(ssh_span_equal(agent_answer(agent), wanted));
}

static void test_an_answer_in_pieces(void **state)
{
	ask_keys(LONG_MS);
	for (size_t i = 0; i + 1 < sizeof(no_keys); i++) {
		say(no_keys + i, 1);
		real_loop_turns(loop, 2);
		assert_int_equal(agent_step(agent, NULL), STEP_WAIT);
	}
	say(no_keys + sizeof(no_keys) - 1, 1);
	run();
	answered();
}

static void test_two_questions_on_one_connection(void **state)
{
	static const unsigned char request[] = { AGENT_SIGN_REQUEST, 1, 2, 3 };
	static const unsigned char sent[] = { 0, 0, 0, 4, AGENT_SIGN_REQUEST, 1, 2, 3 };

	ask_keys(LONG_MS);
	say(no_keys, sizeof(no_keys));
	run();
	answered();
	agent_ask_signature(agent, (struct ssh_span){ request, sizeof(request) }, LONG_MS);
	assert_int_equal(agent_step(agent, NULL), STEP_WAIT);
	expect((struct ssh_span){ sent, sizeof(sent) });
	say(no_keys, sizeof(no_keys));
	run();
	answered();
}

static void test_the_longest_answer(void **state)
{
	static unsigned char answer[4 + AGENT_MESSAGE_MAX] = { 0, 4, 0, 0 };

	ask_keys(LONG_MS);
	for (size_t sent = 0; sent < sizeof(answer);) {
		ssize_t n = send(served, answer + sent, sizeof(answer) - sent, MSG_NOSIGNAL);

		sent += n > 0 ? (size_t)n : 0;
		real_loop_turns(loop, 1);
	}
	if (!progress)
		run();
	assert_int_equal(agent_step(agent, NULL), STEP_NEXT);
	assert_int_equal(agent_answer(agent).size, AGENT_MESSAGE_MAX);
}

static void test_silence(void **state)
{
	ask_keys(SHORT_MS);
	run();
	refused("does not answer within 0.0 s");
	/* What comes too late is for nobody: the connection is gone. */
	assert_int_equal(send(served, no_keys, sizeof(no_keys), MSG_NOSIGNAL), -1);
}

static void test_after_silence_it_may_be_asked_again(void **state)
{
	ask_keys(SHORT_MS);
	run();
	refused("does not answer");
	agent_ask_keys(agent, LONG_MS);
	assert_int_equal(agent_step(agent, NULL), STEP_WAIT);
	real_loop_turns(loop, 1);
	serve();
	say(no_keys, sizeof(no_keys));
	run();
	answered();
}

static void test_it_hangs_up(void **state)
{
	ask_keys(LONG_MS);
	say(no_keys, 3);
	closep(&served);
	run();
	refused("closed the connection");
}

static void test_it_hangs_up_between_questions(void **state)
{
	ask_keys(LONG_MS);
	say(no_keys, sizeof(no_keys));
	run();
	closep(&served);
	real_loop_turns(loop, 2);
	answered(); /* still there */
	agent_ask_keys(agent, LONG_MS);
	real_loop_turns(loop, 1);
	serve();
	say(no_keys, sizeof(no_keys));
	run();
	answered();
}

static void test_nonsense(void **state)
{
	ask_keys(LONG_MS);
	say("HTTP/1.1 400 Bad Request", 24);
	run();
	refused("is that an SSH agent?");
}

static void test_more_than_it_was_asked(void **state)
{
	unsigned char twice[2 * sizeof(no_keys)];

	memcpy(twice, no_keys, sizeof(no_keys));
	memcpy(twice + sizeof(no_keys), no_keys, sizeof(no_keys));
	ask_keys(LONG_MS);
	say(twice, sizeof(twice));
	run();
	refused("more than it was asked");
}

static void test_nobody_there(void **state)
{
	agent_ask_keys(agent, LONG_MS);
	run();
	refused("is not there");
	listen_again(1);
	closep(&listener);
	agent_ask_keys(agent, LONG_MS);
	run();
	refused("is not there");
}

static void test_not_a_socket(void **state)
{
	closep(&(int){ creat(address.sun_path, 0600) });
	assert_int_equal(chmod(address.sun_path, 0600), 0);
	agent_ask_keys(agent, LONG_MS);
	run();
	refused("is not there");
}

/* Answers the next client, if there is one; those who have left do not mind. */
static void serve_whoever(void)
{
	int next = accept4(listener, NULL, NULL, SOCK_NONBLOCK);

	if (next < 0)
		return;
	closep(&served);
	served = next;
	send(served, no_keys, sizeof(no_keys), MSG_NOSIGNAL);
}

/* A hung agent whose backlog is full: the kernel would let a client wait for ever. */
static void test_a_full_backlog(void **state)
{
	int waiting[8];
	size_t count = 0;

	listen_again(0);
	for (; count < ARRAY_SIZE(waiting); count++) {
		waiting[count] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		if (connect(waiting[count], (struct sockaddr *)&address, sizeof(address)) < 0)
			break;
	}
	assert_true(count < ARRAY_SIZE(waiting));
	agent_ask_keys(agent, SHORT_MS);
	run();
	refused("does not answer");
	agent_ask_keys(agent, LONG_MS);
	assert_int_equal(agent_step(agent, NULL), STEP_WAIT);
	for (size_t i = 0; i <= count; i++)
		closep(&waiting[i]);
	while (agent_step(agent, NULL) == STEP_WAIT) {
		serve_whoever();
		real_loop_turns(loop, 3);
	}
	answered();
}

static void test_a_path_too_long(void **state)
{
	char path[200];
	struct err err = { 0 };

	agent_free(agent);
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	agent = agent_new(loop, path, on_progress, NULL, &err);
	assert_non_null(agent);
	assert_string_equal(agent_path(agent), path);
	agent_ask_keys(agent, LONG_MS);
	run();
	assert_int_equal(agent_step(agent, &err), STEP_FAIL);
	assert_non_null(strstr(err.msg, "too long"));
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_an_answer_in_pieces),
		CASE(test_two_questions_on_one_connection),
		CASE(test_the_longest_answer),
		CASE(test_silence),
		CASE(test_after_silence_it_may_be_asked_again),
		CASE(test_it_hangs_up),
		CASE(test_it_hangs_up_between_questions),
		CASE(test_nonsense),
		CASE(test_more_than_it_was_asked),
		CASE(test_nobody_there),
		CASE(test_not_a_socket),
		CASE(test_a_full_backlog),
		CASE(test_a_path_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
