/* SPDX-License-Identifier: MIT */
#include "daemon/worker/auth.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/str.h"

/* In the order they are tried; those without a step are only named. */
static const struct {
	int method;
	const char *name; /* RFC 4252, RFC 4256, RFC 4462 */
	enum auth_result (*step)(struct auth *a, struct err *err);
} methods[] = {
	{ SSH_AUTH_METHOD_PUBLICKEY, "publickey", auth_publickey_step },
	{ SSH_AUTH_METHOD_INTERACTIVE, "keyboard-interactive", auth_kbdint_step },
	{ SSH_AUTH_METHOD_PASSWORD, "password", auth_password_step },
	{ SSH_AUTH_METHOD_HOSTBASED, "hostbased", NULL },
	{ SSH_AUTH_METHOD_GSSAPI_MIC, "gssapi-with-mic", NULL },
};

/* What the server accepts, as it said last. */
static int offered(const struct auth *a)
{
	return ssh_userauth_list(session_libssh(a->session), NULL);
}

static void format_methods(int accepted, char *out, size_t size)
{
	size_t used = 0;

	snprintf(out, size, "none that is known");
	for (size_t i = 0; i < ARRAY_SIZE(methods) && used < size; i++) {
		if (accepted & methods[i].method)
			used += (size_t)snprintf(out + used, size - used, "%s%s", used ? ", " : "",
						 methods[i].name);
	}
}

void auth_init(struct auth *a, const struct worker_parts *parts, struct session *s,
	       const struct identities *identities, const struct auth_secrets *secrets,
	       const struct connection_settings *settings, const struct auth_asker *asker)
{
	*a = (struct auth){ .parts = parts,
			    .session = s,
			    .identities = identities,
			    .secrets = secrets,
			    .settings = settings,
			    .asker = *asker };
	connection_name(a->server, settings);
	if (!settings->password) /* of a file, it is the file that has to change */
		a->kbdint.doubts = doubts_get(parts->doubts, a->server);
}

void auth_fini(struct auth *a)
{
	auth_publickey_fini(a);
	auth_question_fini(&a->question);
	secret_fini(&a->password.secret);
	*a = (struct auth){ 0 };
}

void auth_describe(const struct auth *a, char *out, size_t size)
{
	const struct auth_publickey *p = &a->publickey;

	out[0] = '\0';
	if (p->agent && agent_is_asked(p->agent))
		snprintf(out, size, "the agent at %s", agent_path(p->agent));
	else if (p->unlock)
		snprintf(out, size, "the decryption of %s (ssh-keygen -a sets how long it takes)",
			 p->plan.items[p->next].identity->path);
}

void auth_lacks(struct auth *a, enum err_code code, const char *fmt, ...)
{
	va_list ap;

	if (a->lacking.code != ERR_NONE)
		return;
	a->lacking.code = code;
	va_start(ap, fmt);
	vsnprintf(a->lacking.msg, sizeof(a->lacking.msg), fmt, ap);
	va_end(ap);
}

void auth_accepted(struct auth *a, const char *what)
{
	if (!a->is_partial)
		a->accepted = what;
}

void auth_keep_doubts(struct auth *a, unsigned doubts)
{
	if (!a->settings->password)
		doubts_set(a->parts->doubts, a->server, doubts);
}

void auth_forget_password(struct auth *a)
{
	if (a->settings->password)
		return;
	auth_keep_doubts(a, 0);
	auth_question_wrong(&a->asker, QUESTION_PASSWORD, a->server);
}

/* Whoever was declined by a person at the agent is not asked again because of other keys. */
static void note_lack(struct auth *a, const struct err *why)
{
	bool takes_keys = offered(a) & SSH_AUTH_METHOD_PUBLICKEY;

	a->lacks_key =
		takes_keys && why->code != ERR_AGENT_REFUSED && auth_publickey_could_go_on(a);
}

void auth_ended(struct auth *a, struct err *err)
{
	if (!a->session)
		return; /* that was over, or had not begun */
	if (!auth_password_ended(a, err) && !auth_kbdint_ended(a, err))
		auth_explain_end(a, err);
	if (err->code == ERR_AUTH || err_wants_answer(err->code))
		note_lack(a, err);
	auth_explain_said(a, err);
}

enum auth_result auth_broken(struct auth *a, struct err *err)
{
	session_error(a->session, "authentication", err);
	auth_ended(a, err);
	return AUTH_FAILED;
}

/* Keys are the reason where they were named, or where an agent failed to bring them: whoever has them does
 * not want to be told of passwords. */
static bool is_about_keys(const struct auth *a)
{
	return identities_usable(a->identities) > 0 && !a->is_partial &&
	       (!a->settings->identities_implied || a->publickey.agent_error.code != ERR_NONE);
}

static enum step fail_refused(struct auth *a, struct err *err)
{
	bool takes_keys = offered(a) & SSH_AUTH_METHOD_PUBLICKEY;
	bool is_asking = a->lacking.code == ERR_PASSWORD || a->lacking.code == ERR_ANSWER;
	char accepted[128];

	format_methods(offered(a), accepted, sizeof(accepted));
	if (a->lacking.code != ERR_NONE && !(is_asking && takes_keys && is_about_keys(a)))
		*err = a->lacking;
	else if (a->is_partial)
		err_set(err, ERR_AUTH, "%s accepted %s but wants more (%s), which it did not get",
			a->server, a->accepted, accepted);
	else if (!takes_keys && a->said[0])
		err_set(err, ERR_AUTH, "%s does not let us in", a->server);
	else if (!takes_keys)
		err_set(err, ERR_AUTH, "%s does not accept keys, only: %s", a->server, accepted);
	else
		auth_explain_keys(a, err);
	if ((err->code == ERR_AUTH || err->code == ERR_AGENT_LACKS ||
	     err->code == ERR_AGENT_REFUSED) &&
	    is_asking)
		err_append(err, "; or give it a password (tunctl auth)");
	note_lack(a, err);
	auth_explain_said(a, err);
	return STEP_FAIL;
}

static enum step ask_none(struct auth *a, struct err *err)
{
	int rc = ssh_userauth_none(session_libssh(a->session), NULL);

	switch (session_verdict(a->session, rc)) {
	case SSH_AUTH_AGAIN:
		return STEP_WAIT;
	case SSH_AUTH_SUCCESS:
		a->accepted = "none needed";
		return STEP_NEXT;
	case SSH_AUTH_ERROR:
		auth_broken(a, err);
		return STEP_FAIL;
	default:
		a->asked_none = true;
		return STEP_WAIT;
	}
}

/* The first method that the server accepts and that has something left; false: there is none. What is
 * under way is ended first: libssh wants a call repeated until it is answered, and what the server offers
 * changes before that. */
static bool choose_method(struct auth *a)
{
	for (unsigned i = 0; i < ARRAY_SIZE(methods) && !a->is_trying; i++) {
		if (!methods[i].step || !(offered(a) & methods[i].method) ||
		    (a->exhausted & 1u << i))
			continue;
		a->method = i;
		a->is_trying = true;
	}
	return a->is_trying;
}

enum step auth_step(struct auth *a, struct err *err)
{
	enum step step;

	session_touch(a->session);
	if (!a->asked_none) {
		step = ask_none(a, err);
		if (!a->asked_none)
			return step;
	}
	while (choose_method(a)) {
		switch (methods[a->method].step(a, err)) {
		case AUTH_WAIT:
			return STEP_WAIT;
		case AUTH_SUCCESS:
			return STEP_NEXT;
		case AUTH_FAILED:
			return STEP_FAIL;
		case AUTH_PARTIAL:
			a->is_partial = true;
			break;
		case AUTH_EXHAUSTED:
			a->exhausted |= 1u << a->method;
			break;
		}
		a->is_trying = false;
	}
	return fail_refused(a, err);
}
