/* SPDX-License-Identifier: MIT */
#include "daemon/worker/auth.h"

#include <stdio.h>
#include <string.h>

#include "lib/str.h"

static const struct {
	int method;
	const char *name; /* RFC 4252, RFC 4256, RFC 4462 */
} methods[] = {
	{ SSH_AUTH_METHOD_PUBLICKEY, "publickey" },
	{ SSH_AUTH_METHOD_PASSWORD, "password" },
	{ SSH_AUTH_METHOD_INTERACTIVE, "keyboard-interactive" },
	{ SSH_AUTH_METHOD_HOSTBASED, "hostbased" },
	{ SSH_AUTH_METHOD_GSSAPI_MIC, "gssapi-with-mic" },
};

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
	       const char *user, const char *host, unsigned port)
{
	*a = (struct auth){ .session = s, .identities = identities };
	snprintf(a->server, sizeof(a->server), "%s@%s:%u", user, host, port);
}

static enum step fail_broken(struct auth *a, struct err *err)
{
	session_error(a->session, "authentication", err);
	return STEP_FAIL;
}

static enum step fail_refused(struct auth *a, struct err *err)
{
	ssh_session ssh = session_libssh(a->session);
	const struct err *problem = identities_problem(a->identities);
	char accepted[128];

	format_methods(ssh_userauth_list(ssh, NULL), accepted, sizeof(accepted));
	if (!(ssh_userauth_list(ssh, NULL) & SSH_AUTH_METHOD_PUBLICKEY))
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

static enum step fail_partial(struct auth *a, struct err *err)
{
	char wanted[128];

	format_methods(ssh_userauth_list(session_libssh(a->session), NULL), wanted, sizeof(wanted));
	err_set(err, ERR_AUTH,
		"%s accepted the key but wants more (%s), which this version cannot give; exempt "
		"the user in sshd_config (AuthenticationMethods)",
		a->server, wanted);
	return STEP_FAIL;
}

static enum step ask_none(struct auth *a, struct err *err)
{
	switch (ssh_userauth_none(session_libssh(a->session), NULL)) {
	case SSH_AUTH_AGAIN:
		return STEP_WAIT;
	case SSH_AUTH_SUCCESS:
		a->accepted = "none needed";
		a->next = a->identities->count;
		a->asked_none = true;
		return STEP_NEXT;
	case SSH_AUTH_ERROR:
		return fail_broken(a, err);
	default:
		a->asked_none = true;
		return STEP_WAIT;
	}
}

/* The same arguments until it is not AGAIN any more; one method at a time. */
static enum step try_key(struct auth *a, struct err *err)
{
	const struct identity *id = &a->identities->items[a->next];

	switch (ssh_userauth_publickey(session_libssh(a->session), NULL, id->key)) {
	case SSH_AUTH_AGAIN:
		return STEP_WAIT;
	case SSH_AUTH_SUCCESS:
		a->accepted = id->path;
		return STEP_NEXT;
	case SSH_AUTH_PARTIAL:
		return fail_partial(a, err);
	case SSH_AUTH_DENIED:
		a->next++;
		return STEP_WAIT;
	default:
		return fail_broken(a, err);
	}
}

enum step auth_step(struct auth *a, struct err *err)
{
	enum step step = STEP_WAIT;
	bool accepts_keys;

	session_touch(a->session);
	if (!a->asked_none)
		step = ask_none(a, err);
	if (!a->asked_none || step != STEP_WAIT)
		return step;
	accepts_keys =
		ssh_userauth_list(session_libssh(a->session), NULL) & SSH_AUTH_METHOD_PUBLICKEY;
	while (accepts_keys && a->next < a->identities->count) {
		size_t tried = a->next;

		if (!a->identities->items[tried].key) {
			a->next++;
			continue;
		}
		step = try_key(a, err);
		if (step != STEP_WAIT || a->next == tried)
			return step;
	}
	return fail_refused(a, err);
}
