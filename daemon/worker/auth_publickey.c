/* SPDX-License-Identifier: MIT */
/*
 * The method "publickey" (RFC 4252 section 7): the agent is asked what it has, if that matters, a
 * plan is made of all there is, and then candidate after candidate is offered until the server
 * takes one. A server is asked about a public key before somebody has to unlock the private one.
 */
#include "daemon/worker/auth.h"

#include <stdio.h>
#include <string.h>

#include "daemon/worker/auth_unlock.h"
#include "lib/certificate.h"
#include "lib/key_text.h"
#include "lib/str.h"

#define LIST_MS 2500 /* an agent lists its keys without asking anybody */
#define SIGN_MS 10000 /* it may ask a person before it signs, but others wait for their turn */
#define PASSPHRASES_MAX 4 /* what was remembered, and three of a person */
#define SIGN_LAST_MS 120000 /* nobody does; the deadline of the attempt is shorter */

/* sshd ends a session after six refusals (MaxAuthTries); a password that is known wants to be tried
 * before, perhaps by both methods. Servers that count otherwise, or not at all, hear no more than
 * the others. */
#define REFUSALS_BEFORE_PASSWORD 4
#define REFUSALS_MAX 16

static void on_progress(void *data)
{
	session_touch(((struct auth *)data)->session);
}

static void note(struct err *to, const struct err *err)
{
	if (to->code == ERR_NONE)
		*to = *err;
}

/* ---- what there is ---- */

/* False: nobody needs an agent, or there is none. */
static bool ask_agent(struct auth *a)
{
	struct auth_publickey *p = &a->publickey;
	const char *path = connection_agent(a->settings);

	if (!path || !auth_plan_wants_agent(a->identities))
		return false;
	p->agent = agent_new(session_loop(a->session), path, on_progress, a, &p->agent_error);
	if (!p->agent)
		return false;
	agent_ask_keys(p->agent, LIST_MS);
	return true;
}

static enum step take_agent_keys(struct auth *a)
{
	struct auth_publickey *p = &a->publickey;
	struct err err;
	enum step step = agent_step(p->agent, &err);

	if (step != STEP_WAIT)
		agents_note(a->parts->agents, agent_path(p->agent),
			    step == STEP_NEXT ? agent_answer(p->agent) : (struct ssh_span){ 0 });
	if (step == STEP_NEXT &&
	    agent_keys_parse(&p->agent_keys, agent_answer(p->agent), &err) < 0) {
		err_set(&p->agent_error, ERR_AGENT, "the agent at %s %s", agent_path(p->agent),
			err.msg);
		return STEP_NEXT;
	}
	if (step == STEP_FAIL)
		note(&p->agent_error, &err);
	return step == STEP_WAIT ? STEP_WAIT : STEP_NEXT;
}

static struct auth_plan_input what_there_is(const struct auth *a)
{
	return (struct auth_plan_input){
		.identities = a->identities,
		.agent_keys = &a->publickey.agent_keys,
		.identities_only = a->settings->identities_only,
		.is_unlocked = a->settings->passphrase != NULL,
	};
}

static int make_plan(struct auth *a, struct err *err)
{
	const struct auth_plan_input input = what_there_is(a);

	a->publickey.stage = PUBLICKEY_TRY;
	return auth_plan_make(&a->publickey.plan, &input, err);
}

static enum auth_result prepare(struct auth *a, struct err *err)
{
	struct auth_publickey *p = &a->publickey;

	if (p->stage == PUBLICKEY_BEGIN) {
		if (!ask_agent(a))
			return make_plan(a, err) < 0 ? AUTH_FAILED : AUTH_SUCCESS;
		p->stage = PUBLICKEY_LIST;
	}
	if (p->stage == PUBLICKEY_LIST) {
		if (take_agent_keys(a) == STEP_WAIT)
			return AUTH_WAIT;
		return make_plan(a, err) < 0 ? AUTH_FAILED : AUTH_SUCCESS;
	}
	return AUTH_SUCCESS;
}

/* ---- one candidate ---- */

static void forget_candidate(struct auth *a)
{
	struct auth_publickey *p = &a->publickey;

	auth_agent_reset(&p->by_agent, a->session);
	auth_unlock_free(TAKE(p->unlock));
	ssh_key_free(TAKE(p->public_key));
	ssh_key_free(TAKE(p->private_key));
	p->is_welcome = false;
	p->passphrases = 0;
}

static enum auth_result next_candidate(struct auth *a)
{
	forget_candidate(a);
	a->publickey.next++;
	return AUTH_EXHAUSTED;
}

/* Did the server say no, or libssh, because its rules do not let it offer such a key here? */
static enum auth_result refused(struct auth *a, const struct auth_candidate *c)
{
	struct auth_publickey *p = &a->publickey;
	const char *text = ssh_get_error(session_libssh(a->session));
	char label[256];

	auth_candidate_label(c, label, sizeof(label));
	if (strstr(text, "'ssh-rsa' is not allowed"))
		err_set(&p->unusable, ERR_AUTH,
			"%s cannot be used: the server takes RSA keys only with SHA-1 (rsa-sha2-256 "
			"is wanted)",
			label);
	else if (strstr(text, "is not allowed"))
		err_set(&p->unusable, ERR_AUTH,
			"%s cannot be used: it is too short, or of a kind this libssh does not use",
			label);
	else
		p->refused++;
	return next_candidate(a);
}

static enum auth_result accepted(struct auth *a, const struct auth_candidate *c, bool partial)
{
	struct auth_publickey *p = &a->publickey;

	auth_candidate_label(c, p->accepted, sizeof(p->accepted));
	auth_accepted(a, p->accepted);
	if (!partial)
		return AUTH_SUCCESS;
	next_candidate(a); /* sshd does not take the same one twice */
	return AUTH_PARTIAL;
}

static enum auth_result by_agent(struct auth *a, const struct auth_candidate *c, struct err *err)
{
	struct auth_publickey *p = &a->publickey;
	bool is_last = p->next + 1 == p->plan.count;
	char label[256];
	struct err why;

	switch (auth_agent_step(&p->by_agent, a->session, p->agent, c,
				is_last ? SIGN_LAST_MS : SIGN_MS, &why)) {
	case AUTH_AGENT_WAIT:
		return AUTH_WAIT;
	case AUTH_AGENT_SUCCESS:
		return accepted(a, c, false);
	case AUTH_AGENT_PARTIAL:
		return accepted(a, c, true);
	case AUTH_AGENT_DENIED:
		return refused(a, c);
	case AUTH_AGENT_REFUSED:
		auth_candidate_label(c, label, sizeof(label));
		err_prefix(&why, "%s takes %s, but", a->server, label);
		note(&p->agent_error, &why);
		return next_candidate(a);
	default:
		return auth_broken(a, err);
	}
}

/* An offer costs a round trip more when it is taken; worth it when a signature is costly: somebody has
 * to unlock the key, or it is RSA and there are others. */
static bool should_ask_first(const struct auth *a, const struct auth_candidate *c)
{
	struct ssh_span type = key_blob_type(c->blob);

	if (a->publickey.is_welcome || c->blob.size == 0)
		return false;
	return !c->identity->key || (type.size >= 7 && memcmp(type.data, "ssh-rsa", 7) == 0 &&
				     a->publickey.plan.count > 1);
}

/* AUTH_SUCCESS: the server would take it. */
static enum auth_result ask_server(struct auth *a, const struct auth_candidate *c, struct err *err)
{
	struct auth_publickey *p = &a->publickey;
	int rc;

	if (!p->public_key)
		p->public_key = identity_public_key(c->blob);
	if (!p->public_key)
		return next_candidate(a);
	rc = ssh_userauth_try_publickey(session_libssh(a->session), NULL, p->public_key);
	switch (session_verdict(a->session, rc)) {
	case SSH_AUTH_AGAIN:
		return AUTH_WAIT;
	case SSH_AUTH_SUCCESS:
		p->is_welcome = true;
		return AUTH_SUCCESS;
	case SSH_AUTH_DENIED:
	case SSH_AUTH_PARTIAL:
		return refused(a, c);
	default:
		return auth_broken(a, err);
	}
}

/* One that answers. */
static bool has_agent(const struct auth *a)
{
	return a->publickey.agent && a->publickey.agent_error.code == ERR_NONE;
}

/* AUTH_SUCCESS: there is one that has not been tried. A file has one, and a person is not asked for
 * another: the file is what has to change. */
static enum auth_result get_passphrase(struct auth *a, const struct identity *id,
				       struct secret *ret)
{
	const struct auth_secrets *secrets = a->secrets;
	unsigned wrong = a->publickey.passphrases;
	bool is_welcome = a->publickey.is_welcome;

	if (a->settings->passphrase) {
		if (wrong > 0)
			auth_lacks(a, ERR_IDENTITY_ENCRYPTED,
				   "the passphrase in %s is not that of %s",
				   a->settings->passphrase, id->path);
		else if (secrets->passphrase_error.code != ERR_NONE)
			auth_lacks(a, secrets->passphrase_error.code, "%s",
				   secrets->passphrase_error.msg);
		else if (secret_set(ret, secrets->passphrase.text, secrets->passphrase.length) == 0)
			return AUTH_SUCCESS;
		return AUTH_EXHAUSTED;
	}
	switch (wrong < PASSPHRASES_MAX
			? auth_ask_secret(&a->question, &a->asker, QUESTION_PASSPHRASE, id->name,
					  wrong > 0, ret)
			: AUTH_REPLY_NOBODY) {
	case AUTH_REPLY_HERE:
		return AUTH_SUCCESS;
	case AUTH_REPLY_NOBODY:
		/* Without its public half nobody knows yet what the server thinks of it. */
		auth_lacks(a, ERR_PASSPHRASE, "identity %s needs %s%s%s%s%s", id->path,
			   wrong > 0 ? "another passphrase" : "a passphrase",
			   is_welcome ? ", and " : " before ", a->server,
			   is_welcome ? " would take it" : " can be asked to take it",
			   has_agent(a) ? "; ssh-add gives it to the agent" : "");
		return AUTH_EXHAUSTED;
	default:
		return AUTH_WAIT;
	}
}

static enum auth_result start_unlocking(struct auth *a, const struct identity *id)
{
	CLEANUP(secret_fini) struct secret passphrase = { 0 };
	enum auth_result result = get_passphrase(a, id, &passphrase);

	if (result != AUTH_SUCCESS)
		return result;
	a->publickey.unlock =
		auth_unlock_start(a->parts->files, id->path, passphrase.text, on_progress, a);
	return a->publickey.unlock ? AUTH_WAIT : AUTH_EXHAUSTED;
}

/* AUTH_SUCCESS: private_key is there. AUTH_EXHAUSTED: it will not be. */
static enum auth_result unlock(struct auth *a, const struct identity *id)
{
	struct auth_publickey *p = &a->publickey;
	enum step step;
	struct err err;

	if (!p->unlock)
		return start_unlocking(a, id);
	step = auth_unlock_step(p->unlock, &p->private_key, &err);
	if (step == STEP_WAIT)
		return AUTH_WAIT;
	auth_unlock_free(TAKE(p->unlock));
	if (step == STEP_NEXT)
		return AUTH_SUCCESS;
	if (err.code == ERR_PASSPHRASE) {
		p->passphrases++;
		return start_unlocking(a, id);
	}
	note(&p->unusable, &err);
	return AUTH_EXHAUSTED;
}

static int show_certificate(struct auth_publickey *p, const struct auth_candidate *c)
{
	ssh_key cert = c->certificate ? identity_public_key(c->blob) : NULL;
	int rc = c->certificate ? ssh_pki_copy_cert_to_privkey(cert, p->private_key) : SSH_OK;

	ssh_key_free(cert);
	return rc == SSH_OK ? 0 : -1;
}

/* The key that signs, with the certificate that is to be shown; AUTH_EXHAUSTED: there is none. */
static enum auth_result get_key(struct auth *a, const struct auth_candidate *c)
{
	struct auth_publickey *p = &a->publickey;
	enum auth_result result = AUTH_SUCCESS;

	if (p->private_key)
		return AUTH_SUCCESS;
	if (c->identity->key)
		p->private_key = ssh_key_dup(c->identity->key);
	else
		result = unlock(a, c->identity);
	if (result == AUTH_WAIT)
		return AUTH_WAIT;
	if (result == AUTH_SUCCESS && p->private_key && show_certificate(p, c) == 0)
		return AUTH_SUCCESS;
	return next_candidate(a);
}

/* The same arguments until it is not AGAIN any more. */
static enum auth_result by_file(struct auth *a, const struct auth_candidate *c, struct err *err)
{
	enum auth_result result = AUTH_SUCCESS;
	int rc;

	if (should_ask_first(a, c))
		result = ask_server(a, c, err);
	if (result == AUTH_SUCCESS)
		result = get_key(a, c);
	if (result != AUTH_SUCCESS)
		return result;
	rc = ssh_userauth_publickey(session_libssh(a->session), NULL, a->publickey.private_key);
	switch (session_verdict(a->session, rc)) {
	case SSH_AUTH_AGAIN:
		return AUTH_WAIT;
	case SSH_AUTH_SUCCESS:
		return accepted(a, c, false);
	case SSH_AUTH_PARTIAL:
		return accepted(a, c, true);
	case SSH_AUTH_DENIED:
		return refused(a, c);
	default:
		return auth_broken(a, err);
	}
}

/* ---- all of them ---- */

static bool has_had_enough(const struct auth *a)
{
	unsigned limit = a->settings->password ? REFUSALS_BEFORE_PASSWORD : REFUSALS_MAX;

	return a->publickey.refused >= limit;
}

enum auth_result auth_publickey_step(struct auth *a, struct err *err)
{
	struct auth_publickey *p = &a->publickey;
	enum auth_result result = prepare(a, err);

	if (result != AUTH_SUCCESS)
		return result;
	result = AUTH_EXHAUSTED;
	while (result == AUTH_EXHAUSTED && p->next < p->plan.count && !has_had_enough(a)) {
		const struct auth_candidate *c = &p->plan.items[p->next];

		result = c->agent_key ? by_agent(a, c, err) : by_file(a, c, err);
	}
	return result;
}

bool auth_publickey_could_go_on(const struct auth *a)
{
	const struct auth_plan_input input = what_there_is(a);

	return a->publickey.stage == PUBLICKEY_TRY && auth_plan_could_grow(&input);
}

void auth_publickey_fini(struct auth *a)
{
	struct auth_publickey *p = &a->publickey;

	if (!a->session)
		return;
	forget_candidate(a);
	auth_plan_fini(&p->plan);
	agent_keys_fini(&p->agent_keys);
	agent_free(TAKE(p->agent));
}
