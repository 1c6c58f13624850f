/* SPDX-License-Identifier: MIT */
/*
 * The method "keyboard-interactive" (RFC 4256): the server asks what it likes, round after round. That
 * is for a person, except for what is plainly the password, which may be known.
 */
#include "daemon/worker/auth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/str.h"
#include "lib/util.h"

#define ROUNDS_MAX 10 /* of one try */
#define TRIES_MAX 4 /* what was remembered, and three of a person */

static void show(char *out, size_t size, const char *text)
{
	str_escape(out, size, text ? text : "", text ? strlen(text) : 0);
}

/* begin_round() has looked at how many there are; what is read here never depends on that. */
static void read_request(ssh_session ssh, struct question *q)
{
	int prompts = MAX(ssh_userauth_kbdint_getnprompts(ssh), 0);

	q->kind = QUESTION_INTERACTIVE;
	q->prompt_count = MIN((size_t)prompts, (size_t)QUESTION_PROMPTS_MAX);
	show(q->name, sizeof(q->name), ssh_userauth_kbdint_getname(ssh));
	show(q->instruction, sizeof(q->instruction), ssh_userauth_kbdint_getinstruction(ssh));
	for (size_t i = 0; i < q->prompt_count; i++) {
		char echo = 0;
		const char *text = ssh_userauth_kbdint_getprompt(ssh, (unsigned)i, &echo);

		show(q->prompts[i].text, sizeof(q->prompts[i].text), text);
		q->prompts[i].echo = echo != 0;
	}
}

static bool is_single_secret(const struct question *q)
{
	return q->prompt_count == 1 && !q->prompts[0].echo;
}

/* "Password:" and nothing else, as PAM asks: that one may be remembered. A code never is, and many a
 * prompt for a code has the word in it ("One-time password"). */
static bool is_the_password(const struct question *q)
{
	static const char word[] = "password:";
	const char *text = q->prompts[0].text;

	if (!is_single_secret(q) || strncasecmp(text, word, strlen(word)) != 0)
		return false;
	text += strlen(word);
	return text[strspn(text, " ")] == '\0';
}

static enum auth_reply answer_from_file(struct auth *a, struct wire_answers *ret)
{
	struct auth_kbdint *k = &a->kbdint;

	k->file_used = true;
	if (secret_set(&ret->items[0], a->secrets->password.text, a->secrets->password.length) < 0)
		return AUTH_REPLY_NOBODY;
	ret->count = 1;
	return AUTH_REPLY_HERE;
}

static enum auth_reply ask_for_password(struct auth *a, struct wire_answers *ret)
{
	enum auth_reply reply = auth_ask_secret(&a->question, &a->asker, QUESTION_PASSWORD,
						a->server, a->kbdint.again, &ret->items[0]);

	if (reply == AUTH_REPLY_HERE) {
		ret->count = 1;
		a->kbdint.asked_password = true;
	}
	return reply;
}

static enum auth_reply get_answers(struct auth *a, struct question *q, struct wire_answers *ret)
{
	struct auth_kbdint *k = &a->kbdint;

	if (is_single_secret(q) && a->secrets->password.text && !k->file_used)
		return answer_from_file(a, ret);
	if (is_the_password(q) && !a->settings->password)
		return ask_for_password(a, ret);
	q->again = k->again;
	return auth_question_step(&a->question, &a->asker, q, ret);
}

static void lack(struct auth *a, const struct question *q)
{
	enum err_code code = is_the_password(q) ? ERR_PASSWORD : ERR_ANSWER;

	if (a->kbdint.file_is_refused)
		auth_lacks(a, ERR_AUTH, "%s does not accept the password in %s", a->server,
			   a->settings->password);
	else if (a->kbdint.again)
		auth_lacks(a, code, "%s did not accept the answer", a->server);
	else if (q->prompt_count > 0)
		auth_lacks(a, code, "%s asks for '%.100s'", a->server, q->prompts[0].text);
}

static void set_answers(struct auth *a, const struct wire_answers *answers)
{
	for (size_t i = 0; i < answers->count; i++)
		ssh_userauth_kbdint_setanswer(session_libssh(a->session), (unsigned)i,
					      answers->items[i].text);
	a->kbdint.is_asking = false;
	a->kbdint.was_asked = true;
	a->kbdint.again = false;
}

/* Each part of the talk says whether it goes on (true) or, in *ret, how the step ends. */
static bool end(enum auth_result result, enum auth_result *ret)
{
	*ret = result;
	return false;
}

static bool answer_round(struct auth *a, enum auth_result *ret)
{
	CLEANUP(freep) struct question *q = calloc(1, sizeof(*q));
	struct wire_answers answers = { 0 };
	bool goes_on = false;

	if (auth_question_is_pending(&a->question))
		return end(AUTH_WAIT, ret);
	if (!q)
		return end(AUTH_EXHAUSTED, ret);
	read_request(session_libssh(a->session), q);
	snprintf(q->subject, sizeof(q->subject), "%s", a->server);
	switch (q->prompt_count ? get_answers(a, q, &answers) : AUTH_REPLY_HERE) {
	case AUTH_REPLY_HERE:
		set_answers(a, &answers);
		goes_on = true;
		break;
	case AUTH_REPLY_NOBODY:
		lack(a, q);
		*ret = AUTH_EXHAUSTED;
		break;
	case AUTH_REPLY_WAIT:
		*ret = AUTH_WAIT;
		break;
	}
	wire_answers_fini(&answers);
	return goes_on;
}

/* The server wants to know something. */
static bool begin_round(struct auth *a, enum auth_result *ret, struct err *err)
{
	struct auth_kbdint *k = &a->kbdint;
	int prompts = ssh_userauth_kbdint_getnprompts(session_libssh(a->session));

	if (prompts < 0 || prompts > QUESTION_PROMPTS_MAX) {
		err_set(err, ERR_UNSUPPORTED,
			"%s asks %d questions at once; %d are the limit of tunneld", a->server,
			prompts, QUESTION_PROMPTS_MAX);
		return end(AUTH_FAILED, ret);
	}
	if (++k->rounds > ROUNDS_MAX) {
		err_set(err, ERR_UNSUPPORTED,
			"%s asks one question after the other, more than %d; that is the limit of "
			"tunneld",
			a->server, ROUNDS_MAX);
		return end(AUTH_FAILED, ret);
	}
	k->is_asking = true;
	return true;
}

/* Once more, if somebody was asked at all. */
static bool begin_again(struct auth *a, enum auth_result *ret)
{
	struct auth_kbdint *k = &a->kbdint;

	a->password.is_refused |= k->asked_password;
	k->file_is_refused |= k->file_used && k->rounds == 1;
	if (!k->was_asked || ++k->tries == TRIES_MAX)
		return end(AUTH_EXHAUSTED, ret);
	k->was_asked = false;
	k->again = true;
	k->rounds = 0;
	return true;
}

static bool talk(struct auth *a, enum auth_result *ret, struct err *err)
{
	switch (ssh_userauth_kbdint(session_libssh(a->session), NULL, NULL)) {
	case SSH_AUTH_AGAIN:
		return end(AUTH_WAIT, ret);
	case SSH_AUTH_INFO:
		return begin_round(a, ret, err);
	case SSH_AUTH_SUCCESS:
		auth_accepted(a, "keyboard-interactive");
		return end(AUTH_SUCCESS, ret);
	case SSH_AUTH_PARTIAL:
		auth_accepted(a, "keyboard-interactive");
		return end(AUTH_PARTIAL, ret);
	case SSH_AUTH_DENIED:
		return begin_again(a, ret);
	default:
		return end(auth_broken(a, err), ret);
	}
}

enum auth_result auth_kbdint_step(struct auth *a, struct err *err)
{
	enum auth_result result = AUTH_WAIT;

	while (a->kbdint.is_asking ? answer_round(a, &result) : talk(a, &result, err))
		;
	return result;
}
