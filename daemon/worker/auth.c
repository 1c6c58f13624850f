/* SPDX-License-Identifier: MIT */
#include "daemon/worker/auth.h"

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
	{ SSH_AUTH_METHOD_INTERACTIVE, "keyboard-interactive", NULL },
	{ SSH_AUTH_METHOD_PASSWORD, "password", NULL },
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

void auth_init(struct auth *a, struct session *s, const struct identities *identities,
	       const struct connection_settings *settings)
{
	*a = (struct auth){ .session = s, .identities = identities, .settings = settings };
	snprintf(a->server, sizeof(a->server), "%s@%s:%u", settings->user, settings->host,
		 settings->port);
}

enum auth_result auth_broken(struct auth *a, struct err *err)
{
	session_error(a->session, "authentication", err);
	return AUTH_FAILED;
}

static enum step fail_refused(struct auth *a, struct err *err)
{
	const struct err *problem = identities_problem(a->identities);
	char accepted[128];

	format_methods(offered(a), accepted, sizeof(accepted));
	if (a->is_partial)
		err_set(err, ERR_AUTH,
			"%s accepted %s but wants more (%s), which this version cannot give; exempt "
			"the user in sshd_config (AuthenticationMethods)",
			a->server, a->accepted, accepted);
	else if (!(offered(a) & SSH_AUTH_METHOD_PUBLICKEY))
		err_set(err, ERR_AUTH, "%s does not accept keys, only: %s", a->server, accepted);
	else if (identities_usable(a->identities) == 1 && !problem)
		err_set(err, ERR_AUTH,
			"%s does not accept the key %s; add its public half to authorized_keys "
			"there, or check 'user' and 'identity'",
			a->server, a->identities->items[0].path);
	else
		err_set(err, ERR_AUTH,
			"%s accepts none of %zu keys%s%s; add one to authorized_keys there, or "
			"check 'user' and 'identity'",
			a->server, identities_usable(a->identities), problem ? ", and " : "",
			problem ? problem->msg : "");
	return STEP_FAIL;
}

static enum step ask_none(struct auth *a, struct err *err)
{
	switch (ssh_userauth_none(session_libssh(a->session), NULL)) {
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

/* The first method that the server accepts and that has something left; -1: there is none. One at a time:
 * libssh wants a call repeated until it is answered. */
static int next_method(const struct auth *a)
{
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
		if (methods[i].step && (offered(a) & methods[i].method) &&
		    !(a->exhausted & 1u << i))
			return (int)i;
	}
	return -1;
}

enum step auth_step(struct auth *a, struct err *err)
{
	enum step step;
	int method;

	session_touch(a->session);
	if (!a->asked_none) {
		step = ask_none(a, err);
		if (!a->asked_none)
			return step;
	}
	while ((method = next_method(a)) >= 0) {
		switch (methods[method].step(a, err)) {
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
			a->exhausted |= 1u << method;
			break;
		}
	}
	return fail_refused(a, err);
}
