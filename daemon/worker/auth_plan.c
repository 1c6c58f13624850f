/* SPDX-License-Identifier: MIT */
#include "daemon/worker/auth_plan.h"

#include <stdlib.h>

#include "lib/certificate.h"
#include "lib/key_text.h"

/* No server listens for so long; and every key is compared with all before it. */
#define PLAN_MAX 64

/* What libssh can offer. Agents list more (DSA), which no server takes. */
static const char *const types[] = {
	"ssh-ed25519",
	"ecdsa-sha2-nistp256",
	"ecdsa-sha2-nistp384",
	"ecdsa-sha2-nistp521",
	"ssh-rsa",
	"sk-ssh-ed25519@openssh.com",
	"sk-ecdsa-sha2-nistp256@openssh.com",
	"ssh-ed25519-cert-v01@openssh.com",
	"ecdsa-sha2-nistp256-cert-v01@openssh.com",
	"ecdsa-sha2-nistp384-cert-v01@openssh.com",
	"ecdsa-sha2-nistp521-cert-v01@openssh.com",
	"ssh-rsa-cert-v01@openssh.com",
	"sk-ssh-ed25519-cert-v01@openssh.com",
	"sk-ecdsa-sha2-nistp256-cert-v01@openssh.com",
};

static bool can_offer(struct ssh_span blob)
{
	struct ssh_span type = key_blob_type(blob);

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (ssh_span_is(type, types[i]))
			return true;
	}
	return false;
}

/* ---- who has a key ---- */

static const struct identity *find_identity(const struct identities *ids, struct ssh_span key)
{
	for (size_t i = 0; i < ids->count; i++) {
		if (ids->items[i].blob && ssh_span_equal(identity_blob(&ids->items[i]), key))
			return &ids->items[i];
	}
	return NULL;
}

static const struct agent_key *find_agent_key(const struct agent_keys *keys, struct ssh_span blob)
{
	for (size_t i = 0; i < keys->count; i++) {
		if (ssh_span_equal(keys->items[i].blob, blob))
			return &keys->items[i];
	}
	return NULL;
}

static bool lists_agent(const struct identities *ids)
{
	for (size_t i = 0; i < ids->count; i++) {
		if (ids->items[i].kind == IDENTITY_OF_AGENT)
			return true;
	}
	return false;
}

/* A file that can be used as it is needs no agent; one that cannot, may use it without being in the
 * list: that is how keys with a passphrase are used. */
static bool needs_agent(const struct identity *id)
{
	return id->kind == IDENTITY_ENCRYPTED || id->kind == IDENTITY_PUBLIC;
}

bool auth_plan_wants_agent(const struct identities *ids)
{
	for (size_t i = 0; i < ids->count; i++) {
		if (ids->items[i].kind == IDENTITY_OF_AGENT || needs_agent(&ids->items[i]))
			return true;
	}
	return false;
}

/* ---- adding ---- */

static bool is_planned(const struct auth_plan *plan, struct ssh_span blob)
{
	for (size_t i = 0; i < plan->count; i++) {
		if (blob.size > 0 && ssh_span_equal(plan->items[i].blob, blob))
			return true;
	}
	return false;
}

static void add(struct auth_plan *plan, const struct auth_candidate *c)
{
	if (!is_planned(plan, c->blob))
		plan->items[plan->count++] = *c;
}

/* Which of the passes over the identities something belongs to. */
enum pass {
	PASS_READY, /* nobody has to unlock it */
	PASS_LOCKED, /* encrypted, and the server can be asked whether it takes it */
	PASS_UNSEEN, /* encrypted, and what it is shows only then */
	PASS_COUNT
};

static enum pass pass_of(const struct auth_plan_input *from, const struct identity *id)
{
	if (id->kind != IDENTITY_ENCRYPTED || from->is_unlocked)
		return PASS_READY;
	return id->blob ? PASS_LOCKED : PASS_UNSEEN;
}

/* In the pass it belongs to, if there is anybody to sign. */
static void add_signed(struct auth_plan *plan, const struct auth_plan_input *from,
		       const struct auth_candidate *c, enum pass pass)
{
	const struct identity *id = c->identity;

	if (c->agent_key || (id && id->kind == IDENTITY_KEY)) {
		if (pass == PASS_READY)
			add(plan, c);
	} else if (id && id->kind == IDENTITY_ENCRYPTED && pass == pass_of(from, id)) {
		add(plan, c);
	}
}

/* The key of a file: by itself, or by the agent. */
static void add_identity(struct auth_plan *plan, const struct auth_plan_input *from,
			 const struct identity *id, enum pass pass)
{
	struct auth_candidate c = { .identity = id,
				    .blob = identity_blob(id),
				    .key = identity_blob(id) };

	if (needs_agent(id) && id->blob)
		c.agent_key = find_agent_key(from->agent_keys, c.blob);
	add_signed(plan, from, &c, pass);
}

static void add_agent_key(struct auth_plan *plan, const struct auth_plan_input *from,
			  const struct agent_key *key)
{
	struct auth_candidate c = { .agent_key = key, .blob = key->blob, .key = key->blob };
	const struct identity *id = find_identity(from->identities, key->blob);

	if (!can_offer(key->blob) || certificate_is(key->blob) || (from->identities_only && !id))
		return;
	/* A file that needs nobody does not need the agent either; one that is broken does. */
	if (id && id->kind == IDENTITY_KEY)
		c.agent_key = NULL;
	c.identity = id;
	add(plan, &c);
}

/* The keys that the identities name come first, in their order. */
static void add_agent_keys(struct auth_plan *plan, const struct auth_plan_input *from)
{
	const struct identities *ids = from->identities;

	for (size_t i = 0; i < ids->count; i++) {
		const struct agent_key *key =
			ids->items[i].blob
				? find_agent_key(from->agent_keys, identity_blob(&ids->items[i]))
				: NULL;

		if (key)
			add_agent_key(plan, from, key);
	}
	for (size_t i = 0; i < from->agent_keys->count && plan->count < PLAN_MAX; i++)
		add_agent_key(plan, from, &from->agent_keys->items[i]);
}

/* ---- certificates ---- */

/* Who signs for a certificate: the file of its key, or the agent, which may know the key or the
 * certificate by itself. */
static void add_certificate(struct auth_plan *plan, const struct auth_plan_input *from,
			    const struct identity_certificate *cert, enum pass pass)
{
	struct auth_candidate c = {
		.identity = find_identity(from->identities, cert->key),
		.certificate = cert,
		.blob = { cert->blob, cert->blob_size },
		.key = cert->key,
	};

	if (!can_offer(c.blob))
		return;
	if (!c.identity || c.identity->kind != IDENTITY_KEY) {
		c.agent_key = find_agent_key(from->agent_keys, cert->key);
		if (!c.agent_key)
			c.agent_key = find_agent_key(from->agent_keys, c.blob);
	}
	add_signed(plan, from, &c, pass);
}

/* Those the agent lists, for keys that may be used. */
static void add_agent_certificate(struct auth_plan *plan, const struct auth_plan_input *from,
				  const struct agent_key *key)
{
	struct auth_candidate c = { .agent_key = key, .blob = key->blob };
	struct certificate parsed;

	if (!certificate_is(key->blob) || !can_offer(key->blob) ||
	    certificate_parse(&parsed, key->blob, NULL) < 0)
		return;
	c.identity =
		find_identity(from->identities, (struct ssh_span){ parsed.key, parsed.key_size });
	certificate_fini(&parsed);
	if (c.identity ? needs_agent(c.identity) || lists_agent(from->identities)
		       : lists_agent(from->identities) && !from->identities_only)
		add(plan, &c);
}

static void add_certificates(struct auth_plan *plan, const struct auth_plan_input *from,
			     enum pass pass)
{
	for (size_t i = 0; i < from->identities->certificate_count; i++)
		add_certificate(plan, from, &from->identities->certificates[i], pass);
	for (size_t i = 0;
	     i < from->agent_keys->count && pass == PASS_READY && plan->count < PLAN_MAX; i++)
		add_agent_certificate(plan, from, &from->agent_keys->items[i]);
}

/* ---- the plan ---- */

int auth_plan_make(struct auth_plan *plan, const struct auth_plan_input *from, struct err *err)
{
	const struct identities *ids = from->identities;
	size_t most = 2 * (ids->count + ids->certificate_count) + PLAN_MAX;

	*plan = (struct auth_plan){ .items = calloc(most + 1, sizeof(*plan->items)) };
	if (!plan->items)
		return err_nomem(err);
	for (enum pass pass = 0; pass < PASS_COUNT; pass++) {
		add_certificates(plan, from, pass);
		for (size_t i = 0; i < ids->count; i++) {
			if (ids->items[i].kind != IDENTITY_OF_AGENT)
				add_identity(plan, from, &ids->items[i], pass);
			else if (pass == PASS_READY)
				add_agent_keys(plan, from);
		}
	}
	return 0;
}

/* A key of it, or a certificate for one. */
static bool may_come_of_agent(const struct auth_plan_input *from, const struct identity *id)
{
	if (id->kind == IDENTITY_OF_AGENT)
		return !from->identities_only;
	return id->blob && (needs_agent(id) || lists_agent(from->identities));
}

/* A certificate that nobody here can sign for. */
static bool lacks_signer(const struct auth_plan_input *from,
			 const struct identity_certificate *cert)
{
	const struct identity *id = find_identity(from->identities, cert->key);

	return (!id || id->kind != IDENTITY_KEY) &&
	       can_offer((struct ssh_span){ cert->blob, cert->blob_size });
}

bool auth_plan_could_grow(const struct auth_plan_input *from)
{
	const struct identities *ids = from->identities;

	if (!auth_plan_wants_agent(ids))
		return false;
	for (size_t i = 0; i < ids->count; i++) {
		if (may_come_of_agent(from, &ids->items[i]))
			return true;
	}
	for (size_t i = 0; i < ids->certificate_count; i++) {
		if (lacks_signer(from, &ids->certificates[i]))
			return true;
	}
	return false;
}

void auth_plan_fini(struct auth_plan *plan)
{
	free(plan->items);
	*plan = (struct auth_plan){ 0 };
}

const struct identity_certificate *auth_plan_orphan(const struct auth_plan *plan,
						    const struct identities *ids)
{
	for (size_t i = 0; i < ids->certificate_count; i++) {
		const struct identity_certificate *c = &ids->certificates[i];

		if (!is_planned(plan, (struct ssh_span){ c->blob, c->blob_size }))
			return c;
	}
	return NULL;
}
