/* SPDX-License-Identifier: MIT */
/*
 * `tunctl auth`: the daemon streams what is asked (method Auth), the answers go over a connection of
 * their own (method Answer). Whatever the daemon says while somebody types takes the prompt away: it
 * means that nobody waits for this answer any more.
 */
#include "ctl/auth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/describe.h"
#include "ctl/human.h"
#include "ctl/prompt.h"
#include "ctl/wait.h"
#include "lib/question.h"
#include "lib/util.h"

struct dialog {
	struct ctl *ctl;
	const char *name;
	unsigned timeout_ms;
	struct prompter prompter;
	struct client answers; /* the second connection */
	uint64_t deadline_ms;
	json_t *tunnel; /* the last word about it; owned */
	json_int_t answered; /* id of the last question that was */
};

bool auth_is_wanted(const json_t *tunnel)
{
	const char *code = get_text(json_object_get(tunnel, "error"), "code");

	return strcmp(get_text(tunnel, "state"), "failed") == 0 &&
	       err_wants_answer(err_from_slug(code));
}

/* ---- what is shown ---- */

/* A server's text, which comes escaped: its line ends are shown as such again, each line indented, so
 * that none looks like ours. */
static void add_lines(struct strbuf *to, const char *text)
{
	if (!*text)
		return;
	strbuf_add(to, "  ");
	while (*text) {
		bool is_return = strncmp(text, "\\x0d", 4) == 0;
		bool is_newline = strncmp(text, "\\n", 2) == 0;

		if (is_newline)
			strbuf_add(to, "\n  ");
		else if (!is_return)
			strbuf_add_bytes(to, text, 1);
		text += is_return ? 4 : is_newline ? 2 : 1;
	}
}

static void add_line(struct strbuf *to, const char *text)
{
	add_lines(to, text);
	if (*text)
		strbuf_add(to, "\n");
}

/* "db: hop 1 of 2, admin@bastion:22 says" */
static void add_speaker(struct strbuf *to, const struct dialog *d, const json_t *speech,
			const char *does)
{
	const char *hop = get_text(speech, "hop");

	strbuf_addf(to, "%s: %s%s%s%s\n", d->name, hop, *hop ? ", " : "",
		    get_text(speech, "server"), does);
}

/* "db: hop 1 of 2"; a server that asks itself is named, and whose key it is; a password's prompt says
 * whose it is. */
static void add_asker(struct strbuf *to, const struct dialog *d, const json_t *question)
{
	const char *hop = get_text(question, "hop");
	enum question_kind kind =
		(enum question_kind)question_kind_from_name(get_text(question, "kind"));

	if (kind == QUESTION_INTERACTIVE)
		add_speaker(to, d, question, " asks");
	else if (*hop && kind == QUESTION_PASSWORD)
		strbuf_addf(to, "%s: %s\n", d->name, hop);
	else if (*hop)
		add_speaker(to, d, question, "");
}

/* Not on standard output, which is for the verdict. */
static void tell_notices(struct dialog *d, const json_t *notices)
{
	json_t *notice;
	size_t i;

	json_array_foreach (notices, i, notice) {
		struct strbuf text = { 0 };
		CLEANUP(freep) char *said = NULL;

		add_speaker(&text, d, notice, " says");
		add_line(&text, get_text(notice, "name"));
		add_line(&text, get_text(notice, "instruction"));
		said = strbuf_take(&text);
		if (said && d->prompter.tty < 0 && !d->ctl->json)
			fputs(said, stderr);
		else if (said)
			prompter_say(&d->prompter, said);
	}
}

/* Who asks what, as far as the prompts do not say so themselves. */
static char *introduction(const struct dialog *d, const json_t *question)
{
	struct strbuf text = { 0 };

	if (json_is_true(json_object_get(question, "again")))
		strbuf_addf(&text, "%s: that was not right; once more\n", d->name);
	add_asker(&text, d, question);
	add_line(&text, get_text(question, "name"));
	add_line(&text, get_text(question, "instruction"));
	return strbuf_take(&text);
}

static char *prompt_text(const json_t *question, const json_t *prompt)
{
	struct strbuf text = { 0 };

	if (question_kind_from_name(get_text(question, "kind")) == QUESTION_INTERACTIVE)
		add_lines(&text, get_text(prompt, "text"));
	else
		strbuf_add(&text, get_text(prompt, "text"));
	return strbuf_take(&text);
}

/* ---- one question ---- */

/* 1: appended to answers, 0: the daemon says something, -1. */
static int ask_one(struct dialog *d, const json_t *question, const json_t *prompt, json_t *answers,
		   struct failure *f)
{
	CLEANUP(secret_fini) struct secret answer = { 0 };
	CLEANUP(freep) char *text = prompt_text(question, prompt);
	json_t *value;
	int rc;

	if (!text)
		return failure_nomem(f);
	rc = prompter_ask(&d->prompter, text, json_is_true(json_object_get(prompt, "echo")),
			  d->ctl->client.fd, &answer, f);
	if (rc <= 0)
		return rc;
	value = json_stringn(answer.text, answer.length);
	if (!value)
		return failure_set(f, EXIT_FAILED, ERR_USAGE, "the answer is not valid UTF-8");
	return json_array_append_new(answers, value) < 0 ? failure_nomem(f) : 1;
}

static int ask_all(struct dialog *d, const json_t *question, json_t *answers, struct failure *f)
{
	CLEANUP(freep) char *intro = introduction(d, question);
	json_t *prompt;
	size_t i;

	if (!intro)
		return failure_nomem(f);
	prompter_say(&d->prompter, intro);
	json_array_foreach (json_object_get(question, "prompts"), i, prompt) {
		int rc = ask_one(d, question, prompt, answers, f);

		if (rc <= 0)
			return rc;
	}
	return 1;
}

/* An answer that comes too late is no failure: what happened instead is told by the other call. */
static int send_answers(struct dialog *d, json_int_t id, json_t *answers, struct failure *f)
{
	json_t *parameters =
		json_pack("{s:s, s:I, s:O}", "name", d->name, "question", id, "answers", answers);
	json_t *reply = NULL;
	bool continues;
	int rc;

	if (!parameters)
		return failure_nomem(f);
	if (d->answers.fd < 0 && client_open(&d->answers, d->ctl->client.path, f) < 0) {
		json_decref(parameters);
		return -1;
	}
	if (client_send(&d->answers, MANAGER_METHOD("Answer"), parameters, false, f) < 0)
		return -1;
	rc = client_receive(&d->answers, monotonic_ms() + CLIENT_ANSWER_MS, &reply, &continues, f);
	json_decref(reply);
	if (rc == 0)
		return client_no_answer(&d->answers, CLIENT_ANSWER_MS, f);
	if (rc > 0 || strcmp(f->code, err_slug(ERR_NO_SUCH_QUESTION)) == 0)
		return 0;
	return -1;
}

static int answer(struct dialog *d, const json_t *question, struct failure *f)
{
	json_int_t id = json_integer_value(json_object_get(question, "id"));
	json_t *answers;
	int rc;

	if (!json_is_object(question) || id == d->answered || client_is_ahead(&d->ctl->client))
		return 0;
	answers = json_array();
	if (!answers)
		return failure_nomem(f);
	rc = ask_all(d, question, answers, f);
	if (rc > 0) {
		d->answered = id;
		rc = send_answers(d, id, answers, f);
	}
	d->deadline_ms = monotonic_ms() + d->timeout_ms;
	json_decref(answers);
	return rc;
}

/* ---- the whole of it ---- */

static void take_news(struct dialog *d, const json_t *reply)
{
	json_t *tunnel = json_object_get(reply, "tunnel");
	bool is_news = strcmp(get_text(d->tunnel, "state"), get_text(tunnel, "state")) != 0;

	json_decref(d->tunnel);
	d->tunnel = json_incref(tunnel);
	tell_notices(d, json_object_get(reply, "notices"));
	if (is_news && d->ctl->narrate && strcmp(get_text(tunnel, "state"), "backoff") == 0)
		wait_print_progress(tunnel, stderr, "");
}

static int out_of_time(const struct dialog *d, struct failure *f)
{
	struct strbuf reason = { 0 };
	char text[HUMAN_MAX];

	describe_reason(&reason, d->tunnel, 0);
	failure_set(f, EXIT_TIMED_OUT, ERR_TIMEOUT, "%s: not up after %s: %s%s%s", d->name,
		    human_setting_ms(text, d->timeout_ms), get_text(d->tunnel, "state"),
		    reason.length ? ": " : "", reason.length ? reason.data : "");
	strbuf_fini(&reason);
	return -1;
}

static int talk(struct dialog *d, struct failure *f)
{
	json_t *parameters = json_pack("{s:s}", "name", d->name);
	bool continues = true;
	int rc = 0;

	if (!parameters)
		return failure_set(f, EXIT_USAGE, ERR_USAGE, "the name is not valid UTF-8");
	if (ctl_send(d->ctl, MANAGER_METHOD("Auth"), parameters, true, f) < 0)
		return -1;
	d->deadline_ms = monotonic_ms() + d->timeout_ms;
	while (continues && rc >= 0) {
		json_t *reply = NULL;

		rc = ctl_receive(d->ctl, d->deadline_ms, &reply, &continues, f);
		if (rc == 0)
			return out_of_time(d, f);
		if (rc > 0) {
			take_news(d, reply);
			rc = continues ? answer(d, json_object_get(reply, "question"), f) : 0;
		}
		json_decref(reply);
	}
	return rc;
}

int auth_attend(struct ctl *ctl, const char *name, unsigned timeout_ms, json_t **ret,
		struct failure *f)
{
	struct dialog d = { .ctl = ctl,
			    .name = name,
			    .timeout_ms = timeout_ms,
			    .answers = CLIENT_CLOSED,
			    .answered = -1 };
	int rc = prompter_open(&d.prompter, ctl->json, f);

	if (rc == 0)
		rc = talk(&d, f);
	prompter_close(&d.prompter);
	client_close(&d.answers);
	if (rc < 0)
		json_decref(TAKE(d.tunnel));
	*ret = d.tunnel;
	return rc;
}

/* ---- auth --forget ---- */

static void print_forgotten(const struct ctl *ctl, const json_t *forgotten)
{
	const char *name = ctl->args.operand_count ? ctl->args.operands[0] : NULL;
	json_t *secret;
	size_t i;

	if (json_array_size(forgotten) == 0)
		printf("%s%snothing was kept\n", name ? name : "", name ? ": " : "");
	json_array_foreach (forgotten, i, secret) {
		const char *kind = get_text(secret, "kind");
		bool is_key = question_kind_from_name(kind) == QUESTION_PASSPHRASE;
		unsigned tunnels = (unsigned)get_count(secret, "tunnels");

		printf("%s%sforgot the %s of %s%s", name ? name : "", name ? ": " : "", kind,
		       is_key ? "key " : "", get_text(secret, "subject"));
		if (tunnels > 1)
			printf(", which %u tunnels use", tunnels);
		putchar('\n');
	}
}

static int forget(struct ctl *ctl, struct failure *f)
{
	json_t *names = ctl_names(ctl, f), *forgotten, *parameters;

	if (!names)
		return -1;
	parameters = json_pack("{s:o}", "names", names);
	if (!parameters)
		return failure_nomem(f);
	forgotten =
		ctl_call_items(ctl, MANAGER_METHOD("Forget"), parameters, "forgotten", false, f);
	if (!forgotten)
		return -1;
	if (ctl->json)
		ctl_print_json(ctl, forgotten);
	else
		print_forgotten(ctl, forgotten);
	json_decref(forgotten);
	return EXIT_OK;
}

int run_auth(struct ctl *ctl, struct failure *f)
{
	unsigned timeout_ms;
	json_t *tunnel;
	int rc;

	if (args_has(&ctl->args, OPTION_FORGET))
		return forget(ctl, f);
	if (args_has(&ctl->args, OPTION_ALL))
		return failure_set(
			f, EXIT_USAGE, ERR_USAGE,
			"auth answers for one tunnel, and only forgets for --all: tunctl "
			"auth NAME");
	if (wait_timeout(ctl, &timeout_ms, f) < 0 ||
	    auth_attend(ctl, ctl->args.operands[0], timeout_ms, &tunnel, f) < 0)
		return -1;
	rc = wait_tell_end(ctl, tunnel);
	json_decref(tunnel);
	return rc;
}
