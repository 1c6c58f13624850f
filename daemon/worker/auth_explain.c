/* SPDX-License-Identifier: MIT */
/*
 * What people read about keys: which one was used, and why none of them was. A server only says no, so
 * everything that is known here and may be the reason is said too.
 */
#include "daemon/worker/auth.h"

#include <stdio.h>
#include <string.h>

#include "lib/certificate.h"
#include "lib/key_text.h"
#include "lib/str.h"

/* Of a certificate the agent lists, the fingerprint is that of its key, as OpenSSH shows it. */
static void format_fingerprint(const struct auth_candidate *c, char *out, size_t size)
{
	struct certificate parsed;

	if (c->key.size > 0 || certificate_parse(&parsed, c->blob, NULL) < 0) {
		identity_fingerprint(out, size, c->key);
		return;
	}
	identity_fingerprint(out, size, (struct ssh_span){ parsed.key, parsed.key_size });
	certificate_fini(&parsed);
}

void auth_candidate_label(const struct auth_candidate *c, char *out, size_t size)
{
	char fingerprint[80], comment[80];
	const char *cert = c->certificate ? c->certificate->path : "";

	if (!c->agent_key) {
		snprintf(out, size, "%s%s%s", c->identity->path, *cert ? " with " : "", cert);
		return;
	}
	format_fingerprint(c, fingerprint, sizeof(fingerprint));
	str_escape(comment, sizeof(comment), (const char *)c->agent_key->comment.data,
		   c->agent_key->comment.size);
	snprintf(out, size, "agent: %s%s%s%s%s", fingerprint, *comment ? " " : "", comment,
		 *cert ? " with " : "", cert);
}

static void append_error(struct err *err, const struct err *why)
{
	if (why->code != ERR_NONE)
		err_append(err, "; %s", why->msg);
}

/* The public half stands in the configuration, and nobody has the private one. */
static const struct identity *find_lonely(const struct auth *a)
{
	for (size_t i = 0; i < a->identities->count; i++) {
		const struct identity *id = &a->identities->items[i];

		if (id->kind == IDENTITY_PUBLIC)
			return id;
	}
	return NULL;
}

static void explain_lonely(const struct identity *id, struct err *err)
{
	bool is_public_file =
		strcmp(id->path + strlen(id->path) - MIN(strlen(id->path), 4), ".pub") == 0;

	err_set(err, ERR_IDENTITY_UNREADABLE,
		"identity %s: it is a public key, and there is no agent that has the private one%s",
		id->path, is_public_file ? "; leave out .pub" : "");
}

/* An agent answers, and has nothing that may be used: that changes by itself when somebody logs in, or
 * unlocks it. */
static void explain_lacking_agent(const struct auth *a, const char *agent, struct err *err)
{
	const struct identity *lonely = find_lonely(a);

	if (lonely)
		err_set(err, ERR_AGENT_LACKS,
			"identity %s: only its public half is here, and the agent at %s does not have the "
			"other; add it with ssh-add",
			lonely->path, agent);
	else
		err_set(err, ERR_AGENT_LACKS,
			"no key to log in with: the agent at %s has none%s, or is locked; add one with "
			"ssh-add, or unlock it with ssh-add -X",
			agent,
			a->settings->identities_only ? " of those that 'identity' names" : "");
}

/* Nothing could be offered. */
static void explain_nothing(const struct auth *a, struct err *err)
{
	const struct auth_publickey *p = &a->publickey;
	const struct err *problem = identities_problem(a->identities);
	const struct identity *lonely = find_lonely(a);
	const char *agent = connection_agent(a->settings);

	if (p->agent_error.code != ERR_NONE) {
		*err = p->agent_error;
	} else if (agent && auth_plan_wants_agent(a->identities)) {
		explain_lacking_agent(a, agent, err);
		if (problem)
			append_error(err, problem);
	} else if (problem)
		*err = *problem;
	else if (lonely)
		explain_lonely(lonely, err);
	else if (a->identities->count == 0)
		err_set(err, ERR_NO_IDENTITY,
			"no key to log in with: none of %s and its siblings exists; make one with "
			"ssh-keygen, or name one with 'identity'",
			a->settings->identities.count ? a->settings->identities.items[0]
						      : "~/.ssh/id_ed25519");
	else
		err_set(err, ERR_NO_IDENTITY,
			"no key to log in with: there is no agent (%s); name a key file with 'identity', or "
			"the agent's socket with 'identity_agent'",
			streq(a->settings->identity_agent, "none") ? "'identity_agent' is none"
								   : "SSH_AUTH_SOCK is not set");
}

static void explain_refused(const struct auth *a, struct err *err)
{
	const struct auth_publickey *p = &a->publickey;
	char label[256];

	auth_candidate_label(&p->plan.items[0], label, sizeof(label));
	if (p->plan.count == 1)
		err_set(err, ERR_AUTH,
			"%s does not accept the key %s; add its public half to authorized_keys there, "
			"or check 'user' and 'identity'",
			a->server, label);
	else
		err_set(err, ERR_AUTH,
			"%s accepts none of %u keys; add one to authorized_keys there, or check 'user' "
			"and 'identity'",
			a->server, p->refused);
	if (p->next < p->plan.count)
		err_append(
			err,
			"; %zu more were not tried, because servers end a session after too many",
			p->plan.count - p->next);
}

static void explain_certificate(const struct identity_certificate *c, struct err *err)
{
	struct ssh_span blob = { c->blob, c->blob_size };
	char principals[128];
	struct certificate parsed;

	if (c->error.code != ERR_NONE) {
		append_error(err, &c->error);
		return;
	}
	if (certificate_parse(&parsed, blob, NULL) < 0)
		return;
	err_append(err, "; certificate %s is for a login as %s", c->path,
		   certificate_principals(principals, sizeof(principals), &parsed));
	certificate_fini(&parsed);
}

static void explain_certificates(const struct auth *a, struct err *err)
{
	const struct auth_publickey *p = &a->publickey;
	const struct identity_certificate *orphan = auth_plan_orphan(&p->plan, a->identities);

	append_error(err, &a->identities->certificate_error);
	if (orphan)
		err_append(err, "; certificate %s is for a key that is not here", orphan->path);
	for (size_t i = 0; i < p->plan.count; i++) {
		if (p->plan.items[i].certificate)
			explain_certificate(p->plan.items[i].certificate, err);
	}
}

void auth_explain_keys(const struct auth *a, struct err *err)
{
	const struct auth_publickey *p = &a->publickey;
	const struct err *problem = identities_problem(a->identities);

	if (p->refused > 0) {
		explain_refused(a, err);
		if (problem)
			append_error(err, problem);
		append_error(err, &p->unusable);
		append_error(err, &p->agent_error);
		/* What the agent would have had may be what is missing; it may come back. */
		if (p->agent_error.code != ERR_NONE && p->plan.count > 0)
			err->code = p->agent_error.code;
	} else if (p->unusable.code != ERR_NONE) {
		*err = p->unusable;
	} else {
		explain_nothing(a, err);
	}
	explain_certificates(a, err);
}

void auth_explain_said(const struct auth *a, struct err *err)
{
	if (a->said[0])
		err_append(err, "; it said: %s", a->said);
}

void auth_explain_end(const struct auth *a, struct err *err)
{
	const struct auth_publickey *p = &a->publickey;
	size_t left = p->plan.count - p->next;

	if (err->code != ERR_AUTH || left == 0)
		return;
	err_set(err, ERR_AUTH,
		"the server ended the session after %zu keys it does not accept (MaxAuthTries), and %zu "
		"were not tried; name the right one with 'identity'",
		p->next + 1, left - 1);
}
