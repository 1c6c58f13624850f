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
#define DOUBTS_MAX 2 /* after so many tries the password is asked for again too */

static void show(char *out, size_t size, const char *text)
{
	str_escape(out, size, text ? text : "", text ? strlen(text) : 0);
}

/* PAM ends its messages with a newline. */
static void show_line(char *out, size_t size, const char *text)
{
	size_t length = text ? strlen(text) : 0;

	while (length > 0 && strchr("\r\n ", text[length - 1]))
		length--;
	str_escape(out, size, length ? text : "", length);
}

/* begin_round() has looked at how many there are; what is read here never depends on that. */
static void read_request(ssh_session ssh, struct question *q)
{
	int prompts = MAX(ssh_userauth_kbdint_getnprompts(ssh), 0);

	q->kind = QUESTION_INTERACTIVE;
	q->prompt_count = MIN((size_t)prompts, (size_t)QUESTION_PROMPTS_MAX);
	show_line(q->name, sizeof(q->name), ssh_userauth_kbdint_getname(ssh));
	show_line(q->instruction, sizeof(q->instruction), ssh_userauth_kbdint_getinstruction(ssh));
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

/* What was right by the method "password" and is wrong here is another one, whatever the server calls it. */
static bool is_known_password(const struct auth *a, const struct question *q)
{
	return is_the_password(q) && !(a->password.is_accepted && a->kbdint.password_is_wrong);
}

/* A server that had the password already wants something else with its first question. */
static bool is_for_file(const struct auth *a, const struct question *q)
{
	if (!a->secrets->password.text || a->kbdint.file_used)
		return false;
	return a->password.is_accepted ? is_known_password(a, q) : is_single_secret(q);
}

static enum auth_reply answer_from_file(struct auth *a, struct wire_answers *ret)
{
	struct auth_kbdint *k = &a->kbdint;

	k->file_used = k->password_sent = true;
	if (secret_set(&ret->items[0], a->secrets->password.text, a->secrets->password.length) < 0)
		return AUTH_REPLY_NOBODY;
	ret->count = 1;
	return AUTH_REPLY_HERE;
}

static enum auth_reply ask_for_password(struct auth *a, struct wire_answers *ret)
{
	struct auth_kbdint *k = &a->kbdint;
	enum auth_reply reply = auth_ask_secret(&a->question, &a->asker, QUESTION_PASSWORD,
						a->server, k->password_is_wrong, &ret->items[0]);

	if (reply == AUTH_REPLY_HERE) {
		ret->count = 1;
		k->asked_password = k->password_sent = true;
		k->again &= !k->password_is_wrong;
		k->password_is_wrong = false; /* that was another one */
	}
	return reply;
}

static enum auth_reply ask_person(struct auth *a, struct question *q, struct wire_answers *ret)
{
	struct auth_kbdint *k = &a->kbdint;
	enum auth_reply reply;

	q->again = k->again;
	reply = auth_question_step(&a->question, &a->asker, q, ret);
	k->again &= reply != AUTH_REPLY_HERE;
	k->person_answered |= reply == AUTH_REPLY_HERE;
	return reply;
}

static enum auth_reply get_answers(struct auth *a, struct question *q, struct wire_answers *ret)
{
	struct auth_kbdint *k = &a->kbdint;

	/* A server that asks again once it has the password goes on. */
	k->went_on |= k->password_sent;
	if (is_for_file(a, q))
		return answer_from_file(a, ret);
	if (is_known_password(a, q) && !a->settings->password)
		return ask_for_password(a, ret);
	return ask_person(a, q, ret);
}

static void lack(struct auth *a, const struct question *q)
{
	enum err_code code = is_known_password(a, q) ? ERR_PASSWORD : ERR_ANSWER;

	if (a->kbdint.file_is_refused)
		auth_lacks(a, ERR_AUTH, "%s does not accept the password in %s", a->server,
			   a->settings->password);
	else if (a->kbdint.again)
		auth_lacks(a, code, "%s did not accept the answer", a->server);
	else if (q->prompt_count > 0)
		auth_lacks(a, code, "%s asks for '%.100s'", a->server, q->prompts[0].text);
}

/* A round that asks nothing. OpenSSH sends an entirely empty one when PAM is content, before it looks whether
 * the account may be used at all. */
static void hear(struct auth *a, struct question *q)
{
	char text[2 * QUESTION_TEXT_MAX + 2];

	if (!*q->name && !*q->instruction) {
		a->kbdint.went_on |= a->kbdint.password_sent;
		return;
	}
	snprintf(text, sizeof(text), "%s%s%s", q->name, *q->name && *q->instruction ? ": " : "",
		 q->instruction);
	str_escape(a->said, sizeof(a->said), text, strlen(text));
	auth_question_tell(&a->asker, q);
}

static void set_answers(struct auth *a, const struct wire_answers *answers)
{
	for (size_t i = 0; i < answers->count; i++)
		ssh_userauth_kbdint_setanswer(session_libssh(a->session), (unsigned)i,
					      answers->items[i].text);
	a->kbdint.is_asking = false;
	a->kbdint.was_asked |= answers->count > 0;
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
	if (q->prompt_count == 0)
		hear(a, q);
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

/* A server that asks on may mean that the password was right, or say no only at the end so that nobody learns
 * which of the two was wrong. It cannot be known; codes are mistyped and run out every day and passwords
 * change once a year, so the first time the password is kept and only the rest asked again. The second time in
 * a row both are. */
static void judge_password(struct auth *a)
{
	struct auth_kbdint *k = &a->kbdint;

	if (!k->password_sent)
		return;
	k->doubts += k->went_on;
	k->password_is_wrong = !k->went_on || (k->doubts >= DOUBTS_MAX && !k->file_used);
	auth_keep_doubts(a, k->password_is_wrong ? 0 : k->doubts);
	if (k->password_is_wrong)
		k->doubts = 0;
	k->file_is_refused |= k->file_used && k->password_is_wrong;
	k->file_used &= k->password_is_wrong;
	a->password.is_refused |= k->asked_password;
}

static void begin_try(struct auth_kbdint *k)
{
	k->was_asked = k->person_answered = k->password_sent = k->went_on = false;
}

static void lack_right_answers(struct auth *a, enum err_code code)
{
	if (a->settings->password)
		auth_lacks(a, code, "%s did not accept the answers; the password is that in %s",
			   a->server, a->settings->password);
	else
		auth_lacks(a, code, "%s did not accept the answers", a->server);
}

/* Once more, if somebody was asked at all. */
static bool begin_again(struct auth *a, enum auth_result *ret)
{
	struct auth_kbdint *k = &a->kbdint;
	bool was_asked = k->was_asked;
	enum err_code code = k->asked_password && !k->went_on ? ERR_PASSWORD : ERR_ANSWER;

	judge_password(a);
	begin_try(k);
	if (!was_asked) {
		if (k->tries > 0 && !a->said[0])
			lack_right_answers(a, code);
		return end(AUTH_EXHAUSTED, ret);
	}
	k->again = true;
	k->rounds = 0;
	if (++k->tries < TRIES_MAX)
		return true;
	lack_right_answers(a, code);
	return end(AUTH_EXHAUSTED, ret);
}

/* Not the end of it: another method is wanted, or this one once more. Rounds and tries go on counting. */
static void on_partial(struct auth *a)
{
	struct auth_kbdint *k = &a->kbdint;

	begin_try(k);
	k->again = k->asked_password = k->password_is_wrong = k->file_used = false;
	k->doubts = 0;
	a->said[0] = '\0';
	auth_keep_doubts(a, 0);
	auth_accepted(a, "keyboard-interactive");
}

/* A server that ends the session instead of saying no may say that this was why. Where it does not, it is
 * believed of what a person has just answered, not of a password that is sent by itself again and again:
 * networks break, and servers are stopped. */
static bool is_refusal(const struct auth *a, const struct err *err)
{
	const struct auth_kbdint *k = &a->kbdint;

	if (k->is_asking || !k->was_asked)
		return false;
	return err->code == ERR_AUTH || (err->code == ERR_LOST && k->person_answered && k->went_on);
}

bool auth_kbdint_ended(struct auth *a, struct err *err)
{
	struct auth_kbdint *k = &a->kbdint;
	bool refused = is_refusal(a, err);
	enum err_code code = k->asked_password && !k->went_on ? ERR_PASSWORD : ERR_ANSWER;

	if (refused)
		judge_password(a);
	if (k->password_is_wrong && !a->password.is_accepted)
		auth_forget_password(a);
	begin_try(k);
	k->password_is_wrong = false;
	if (!refused || err->code != ERR_AUTH || a->settings->password)
		return false;
	err_set(err, code, "%s did not accept the answers", a->server);
	return true;
}

static bool talk(struct auth *a, enum auth_result *ret, struct err *err)
{
	int rc = ssh_userauth_kbdint(session_libssh(a->session), NULL, NULL);

	switch (session_verdict(a->session, rc)) {
	case SSH_AUTH_AGAIN:
		return end(AUTH_WAIT, ret);
	case SSH_AUTH_INFO:
		return begin_round(a, ret, err);
	case SSH_AUTH_SUCCESS:
		auth_keep_doubts(a, 0);
		auth_accepted(a, "keyboard-interactive");
		return end(AUTH_SUCCESS, ret);
	case SSH_AUTH_PARTIAL:
		on_partial(a);
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
