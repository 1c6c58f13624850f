/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "lib/json_put.h"
#include "lib/ssh_ask.h"
#include "lib/str.h"
#include "lib/util.h"

/* A program in place of ssh: what it was called with, and what it says. */
static struct {
	struct strbuf calls;
	const char *said, *complaint;
	int status;
	enum err_code fails;
	int sys;
} fake;

static bool is_about_nobody(const char *const *argv)
{
	while (*argv && strcmp(*argv, "tunneld.invalid") != 0)
		argv++;
	return *argv != NULL;
}

static int run_one(const char *const *argv, const struct capture_limits *limits,
		   struct capture *ret, struct err *err)
{
	const char *out =
		is_about_nobody(argv) ? "user me\nhostname tunneld.invalid\nport 22\n" : fake.said;

	for (size_t i = 0; argv[i]; i++)
		strbuf_addf(&fake.calls, "%s%s", i ? " " : "", argv[i]);
	strbuf_add(&fake.calls, "|");
	assert_int_equal(limits->time_ms, SSH_ASK_MS);
	assert_true(limits->all_ms <= SSH_ASK_ALL_MS && limits->at_once == 4);
	if (limits->all_ms == 0) {
		err_set(err, ERR_TIMEOUT, "x");
		err->sys = ETIME;
		return -1;
	}
	*ret = (struct capture){ 0 };
	if (fake.fails && !is_about_nobody(argv)) {
		err_set(err, fake.fails, "x");
		err->sys = fake.sys;
		return -1;
	}
	ret->out = strdup(out);
	ret->out_length = strlen(out);
	ret->complaint = strdup(fake.complaint ? fake.complaint : "");
	ret->wait_status = is_about_nobody(argv) ? 0 : fake.status << 8;
	return 0;
}

static void run_fake(struct capture_job *jobs, size_t count, const struct capture_limits *limits)
{
	for (size_t i = 0; i < count; i++)
		jobs[i].rc = run_one(jobs[i].argv, limits, &jobs[i].said, &jobs[i].err);
}

static int on_put(void *data, const char *key, json_t *value)
{
	return json_put(data, key, value, NULL);
}

static int on_note(void *data, const char *text)
{
	return json_put(data, "notes", json_string(text), NULL);
}

struct asking {
	struct ssh_ask ask;
	json_t *told;
	struct ssh_sink sink;
	struct err err;
	char *complaint_path;
};

static void begin(struct asking *a)
{
	memset(&fake, 0, sizeof(fake));
	*a = (struct asking){ .told = json_object() };
	a->sink = (struct ssh_sink){ on_put, on_note, a->told };
	ssh_ask_init(&a->ask, run_fake, "/c", "/home/me", "me");
}

static void end(struct asking *a)
{
	json_decref(a->told);
	free(a->complaint_path);
	ssh_ask_fini(&a->ask);
	strbuf_fini(&fake.calls);
}

static int question(struct asking *a, const char *host, const char *user, unsigned port)
{
	struct ssh_question q = { .host = host, .user = user, .port = port, .sink = &a->sink };

	ssh_ask_hosts(&a->ask, &q, 1);
	a->err = q.err;
	free(a->complaint_path);
	a->complaint_path = q.complaint_path;
	return q.rc;
}

static const char *text_of(const struct asking *a, const char *key)
{
	return json_string_value(json_object_get(a->told, key));
}

static void test_words(void **state)
{
	struct asking a;

	begin(&a);
	fake.said = "user me\nhostname db.example.com\nport 22\n";
	assert_int_equal(question(&a, "db", NULL, 0), 0);
	assert_string_equal(text_of(&a, "address"), "db.example.com");
	assert_null(text_of(&a, "user"));
	json_object_clear(a.told);
	fake.said = "user you\nhostname ::1\nport 2222\n";
	assert_int_equal(question(&a, "-db", "you", 2222), 0);
	assert_string_equal(text_of(&a, "address"), "[::1]:2222");
	assert_string_equal(text_of(&a, "user"), "you");
	/* Without files once, for all. */
	assert_string_equal(fake.calls.data,
			    "ssh -G -F none -oControlPath=%C -- tunneld.invalid|"
			    "ssh -G -F /c -oControlPath=%C -- db|"
			    "ssh -G -F /c -oControlPath=%C -l you -p 2222 -- -db|");
	end(&a);
}

/* ssh tells what stands for the connection; a version that does not is no reason to take nonsense. */
static void test_hash(void **state)
{
	struct asking a;

	begin(&a);
	fake.said = "hostname db\nport 22\nuser me\nidentitiesonly yes\nidentityfile ~/%C\n"
		    "controlpath 0123456789abcdef0123456789abcdef01234567\n";
	assert_int_equal(question(&a, "db", NULL, 0), 0);
	assert_string_equal(text_of(&a, "identity"), "~/0123456789abcdef0123456789abcdef01234567");
	json_object_clear(a.told);
	fake.said =
		"hostname db\nport 22\nuser me\nidentitiesonly yes\nidentityfile ~/%C\ncontrolpath %C\n";
	assert_int_equal(question(&a, "db", NULL, 0), 0);
	assert_null(text_of(&a, "identity"));
	assert_non_null(strstr(text_of(&a, "notes"), "IdentityFile ~/%C: a token"));
	end(&a);
}

/* Many are asked about in their order, whatever the size of a batch, and each has its own answer. */
static void test_many(void **state)
{
	enum { MANY = 100 };
	struct ssh_question questions[MANY];
	char names[MANY][8];
	json_t *notes;
	struct asking a;

	begin(&a);
	for (size_t i = 0; i < MANY; i++) {
		snprintf(names[i], sizeof(names[i]), "h%zu", i);
		questions[i] = (struct ssh_question){ .host = names[i], .sink = &a.sink };
	}
	fake.said = "hostname x\nport 22\nuser me\nidentityfile ~/%T\n";
	ssh_ask_hosts(&a.ask, questions, MANY);
	notes = json_object_get(a.told, "notes");
	assert_int_equal(json_array_size(notes), MANY);
	for (size_t i = 0; i < MANY; i++) {
		assert_int_equal(questions[i].rc, 0);
		ssh_question_fini(&questions[i]);
	}
	for (size_t i = 0, from = 0; i < MANY; i++) {
		CLEANUP(freep) char *call = str_printf("-- h%zu|", i);
		const char *at = strstr(fake.calls.data + from, call);

		assert_non_null(at);
		from = (size_t)(at - fake.calls.data);
	}
	end(&a);
}

static void test_mistake(void **state)
{
	struct asking a;

	begin(&a);
	fake.said = "";
	fake.status = 255;
	fake.complaint = "/c: line 4: Bad configuration option: foo\r\n/c: terminating\r\n";
	assert_int_equal(question(&a, "db", NULL, 0), -1);
	assert_int_equal(a.err.code, ERR_CONFIG);
	assert_string_equal(a.err.at.file, "/c");
	assert_int_equal(a.err.at.line, 4);
	assert_string_equal(a.err.msg, "ssh: Bad configuration option: foo");
	fake.complaint = "hostname contains invalid characters";
	assert_int_equal(question(&a, "db", NULL, 0), -1);
	assert_null(a.err.at.file);
	assert_string_equal(a.err.msg, "'ssh -G db': hostname contains invalid characters");
	end(&a);
}

static const struct {
	enum err_code fails;
	int sys;
	enum err_code code;
	const char *says;
} failures[] = {
	{ ERR_TIMEOUT, 0, ERR_CONFIG, "'ssh -G db' took more than 3 s" },
	{ ERR_LIMIT, 0, ERR_LIMIT, "'ssh -G db'" },
	{ ERR_IO, ENOENT, ERR_UNSUPPORTED, "not installed" },
	{ ERR_IO, EACCES, ERR_IO, "'ssh -G db'" },
};

static void test_failures(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(failures); i++) {
		struct asking a;

		begin(&a);
		fake.fails = failures[i].fails;
		fake.sys = failures[i].sys;
		assert_int_equal(question(&a, "db", NULL, 0), -1);
		assert_int_equal(a.err.code, failures[i].code);
		assert_non_null(strstr(a.err.msg, failures[i].says));
		assert_int_equal(a.ask.is_missing, failures[i].sys == ENOENT);
		end(&a);
	}
}

/* All hosts together have so much time, and who is missing is asked once. */
static void test_budget(void **state)
{
	struct asking a;

	begin(&a);
	fake.said = "";
	a.ask.left_ms = 0;
	assert_int_equal(question(&a, "db", NULL, 0), -1);
	assert_int_equal(a.err.code, ERR_CONFIG);
	assert_non_null(strstr(a.err.msg, "for all hosts together"));
	strbuf_fini(&fake.calls);
	a.ask.left_ms = 1000;
	a.ask.is_missing = true;
	assert_int_equal(question(&a, "db", NULL, 0), -1);
	assert_int_equal(a.err.code, ERR_UNSUPPORTED);
	assert_null(fake.calls.data);
	end(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),    cmocka_unit_test(test_hash),
		cmocka_unit_test(test_many),     cmocka_unit_test(test_mistake),
		cmocka_unit_test(test_failures), cmocka_unit_test(test_budget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
