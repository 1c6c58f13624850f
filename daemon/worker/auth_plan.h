/* SPDX-License-Identifier: MIT */
/*
 * Which public keys to offer a server, and in which order, out of what the files and the agent have.
 * Servers count the keys they refuse, so none is offered twice, and the likely ones come first, as
 * with ssh: certificates before keys, and of the agent's keys those that the identities name. What
 * a person would have to unlock comes last: perhaps nobody needs it.
 */
#pragma once

#include "daemon/worker/auth_keys.h"
#include "lib/agent_protocol.h"

struct auth_candidate {
	const struct identity *identity; /* the file; NULL: only the agent has it */
	const struct identity_certificate *certificate; /* offered for the key; NULL: the key */
	const struct agent_key *agent_key; /* the agent signs, with this; NULL: the file */
	struct ssh_span blob; /* what is offered; {0}: cannot be seen before it is unlocked */
	struct ssh_span key; /* the public key that signs, for its fingerprint; may be {0} */
};

struct auth_plan {
	struct auth_candidate *items;
	size_t count;
};

struct auth_plan_input {
	const struct identities *identities;
	const struct agent_keys *agent_keys; /* {0}: it has none, or there is no agent */
	bool identities_only;
	bool is_unlocked; /* the passphrase of encrypted keys is known */
};

/* The plan borrows from its input. -1: out of memory. */
int auth_plan_make(struct auth_plan *plan, const struct auth_plan_input *from, struct err *err);
void auth_plan_fini(struct auth_plan *plan);

/* Whether it matters what the agent has. */
bool auth_plan_wants_agent(const struct identities *ids);
/* Whether it might be of use what the agent does not have yet. */
bool auth_plan_could_grow(const struct auth_plan_input *from);
/* A certificate that was named but is for no key there is; NULL: there is none. */
const struct identity_certificate *auth_plan_orphan(const struct auth_plan *plan,
						    const struct identities *ids);
