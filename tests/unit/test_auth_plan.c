/* SPDX-License-Identifier: MIT */
/*
 * Which keys are offered, and in which order. A case says in short words what there is, and what the
 * plan has to be; a key is a letter.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/worker/auth_plan.h"
#include "lib/certificate.h"
#include "tests/unit/key_samples.h"

#define MOST 128

/*
 * identities: words "ka" a private key, "ea" an encrypted one, "ua" an encrypted one whose public half
 *             is not seen, "pa" only the public half, "x" that cannot be used, "xa" one that still
 *             shows its public half, "agent"
 * certs:      "a": a certificate for key a in a file
 * agent:      "a" key a, "Ca" a certificate for it, "da" of a kind that nobody takes
 * plan:       "a" by its file, "@a" by the agent; "/c" after it: with its certificate in a file;
 *             "@Ca": the agent's certificate; "?": a file whose key is not seen
 * rule:       "only": identities_only, "unlocked": the passphrase is known
 */
static const struct {
	const char *title, *identities, *certs, *agent, *plan, *rule;
} cases[] = {
	{ "files in their order", "kb ka", "", "", "b a", "" },
	{ "the same twice", "ka ka", "", "", "a", "" },
	{ "what cannot be used", "x ka", "", "", "a", "" },
	{ "what cannot be used, but the agent has it", "xa agent", "", "a b", "@a @b", "" },
	{ "its certificate too", "agent xa", "a", "a", "@a/c @a", "" },
	{ "an agent nobody named", "ka", "", "a b", "a", "" },
	{ "agent alone", "agent", "", "b a", "@b @a", "" },
	{ "agent, then files", "agent ka", "", "b", "@b a", "" },
	{ "files, then agent", "ka agent", "", "b", "a @b", "" },
	{ "in both: once, without the agent", "ka agent", "", "a b", "a @b", "" },
	{ "in both: the named ones first", "agent ka", "", "b a", "a @b", "" },
	{ "named by a public key", "pb agent", "", "a b", "@b @a", "" },
	{ "only those named", "agent pb", "", "a b c", "@b", "only" },
	{ "only those named, the file has them", "agent kb", "", "a b", "b", "only" },
	{ "only, and none is named", "agent", "", "a b", "", "only" },
	{ "a public key without its agent", "pa kb", "", "", "b", "" },
	{ "a public key, by itself", "pa", "", "b a", "@a", "" },
	{ "encrypted, and the agent has it", "ea", "", "a", "@a", "" },
	{ "encrypted comes last", "ea kb", "", "", "b a", "" },
	{ "... unless its passphrase is known", "ea kb", "", "", "a b", "unlocked" },
	{ "not seen comes very last", "ua ea kb", "", "", "b a ?", "" },
	{ "not seen, but known", "ua kb", "", "", "? b", "unlocked" },
	{ "two that are not seen", "ua ub", "", "", "? ?", "" },
	{ "certificates first", "ka kb", "b", "", "b/c a b", "" },
	{ "a certificate for nobody", "ka", "b", "", "a", "" },
	{ "a certificate in a file, the key in the agent", "agent", "a", "a", "@a/c @a", "" },
	{ "the same, named", "pa", "a", "a", "@a/c @a", "" },
	{ "the agent has the certificate", "agent", "", "b Ca a", "@Ca @b @a", "" },
	{ "both have it", "agent", "a", "Ca a", "@a/c @a", "" },
	{ "the agent has only the certificate", "agent", "a", "Ca", "@a/c", "" },
	{ "an agent's certificate for a named key", "pa", "", "Ca a b", "@Ca @a", "" },
	{ "only: certificates of named keys", "agent pa", "", "Ca Cb a b", "@Ca @a", "only" },
	{ "a certificate that nobody may use", "ka", "", "Ca a", "a", "" },
	{ "an encrypted key and its certificate", "ea kb", "a", "", "b a/c a", "" },
	{ "... that the agent has", "ea kb", "a", "a", "@a/c @a b", "" },
	{ "kinds nobody takes", "agent", "", "da b", "@b", "" },
	{ "nothing", "", "", "", "", "" },
};

struct world {
	struct strbuf blobs[MOST];
	size_t blob_count;
	struct identity items[MOST];
	struct identity_certificate certificates[MOST];
	struct agent_key keys[MOST];
	struct identities identities;
	struct agent_keys agent;
};

static struct ssh_span make_blob(struct world *w, const char *type, char fill)
{
	struct strbuf *b = &w->blobs[w->blob_count++];

	if (strstr(type, "-cert-"))
		sample_certificate(b, &(struct sample_certificate){ .fill = fill, .role = 1 });
	else
		sample_key(b, type, fill);
	return sample_span(b);
}

static void add_identity(struct world *w, const char *word)
{
	struct identity *id = &w->identities.items[w->identities.count++];
	struct ssh_span blob;

	*id = (struct identity){ .name = (char *)word, .path = (char *)word };
	switch (word[0]) {
	case 'k':
		id->kind = IDENTITY_KEY;
		break;
	case 'e':
	case 'u':
		id->kind = IDENTITY_ENCRYPTED;
		break;
	case 'p':
		id->kind = IDENTITY_PUBLIC;
		break;
	case 'a':
		id->kind = IDENTITY_OF_AGENT;
		return;
	default:
		id->kind = IDENTITY_FAILED;
		break;
	}
	if (word[0] == 'u' || word[1] == '\0')
		return;
	blob = make_blob(w, "ssh-ed25519", word[1]);
	id->blob = (unsigned char *)blob.data;
	id->blob_size = blob.size;
}

static void add_certificate(struct world *w, const char *word)
{
	struct identity_certificate *c =
		&w->identities.certificates[w->identities.certificate_count++];
	struct ssh_span blob = make_blob(w, "ssh-ed25519-cert-v01@openssh.com", word[0]);

	*c = (struct identity_certificate){ .path = (char *)"cert",
					    .blob = (unsigned char *)blob.data,
					    .blob_size = blob.size,
					    .key = make_blob(w, "ssh-ed25519", word[0]) };
}

static void add_agent_key(struct world *w, const char *word)
{
	struct agent_key *key = &w->agent.items[w->agent.count++];

	if (word[0] == 'C')
		key->blob = make_blob(w, "ssh-ed25519-cert-v01@openssh.com", word[1]);
	else if (word[0] == 'd')
		key->blob = make_blob(w, "ssh-dss", word[1]);
	else
		key->blob = make_blob(w, "ssh-ed25519", word[0]);
}

static void each_word(struct world *w, char *text, void (*add)(struct world *w, const char *word))
{
	char *rest;

	for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
		add(w, word);
}

static void describe(const struct auth_candidate *c, char *out, size_t size)
{
	char fill = c->blob.size > 0 && c->key.size > 0 ? (char)c->key.data[c->key.size - 1] : '?';

	if (c->agent_key && certificate_is(c->agent_key->blob) && !c->certificate) {
		struct certificate parsed;

		assert_int_equal(certificate_parse(&parsed, c->blob, NULL), 0);
		snprintf(out, size, "@C%c", parsed.key[parsed.key_size - 1]);
		certificate_fini(&parsed);
		return;
	}
	assert_true(c->agent_key || c->identity);
	snprintf(out, size, "%s%c%s", c->agent_key ? "@" : "", fill, c->certificate ? "/c" : "");
}

static void run_case(size_t n)
{
	struct world w = { 0 };
	char identities[64], certs[64], agent[64], got[256] = "";
	struct auth_plan_input input = { .identities = &w.identities,
					 .agent_keys = &w.agent,
					 .identities_only = strcmp(cases[n].rule, "only") == 0,
					 .is_unlocked = strcmp(cases[n].rule, "unlocked") == 0 };
	struct auth_plan plan;
	struct err err;

	w.identities.items = w.items;
	w.identities.certificates = w.certificates;
	w.agent.items = w.keys;
	each_word(&w, strcpy(identities, cases[n].identities), add_identity);
	each_word(&w, strcpy(certs, cases[n].certs), add_certificate);
	each_word(&w, strcpy(agent, cases[n].agent), add_agent_key);
	assert_int_equal(auth_plan_make(&plan, &input, &err), 0);
	for (size_t i = 0; i < plan.count; i++) {
		char word[16];

		describe(&plan.items[i], word, sizeof(word));
		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%s", i ? " " : "", word);
	}
	if (strcmp(got, cases[n].plan) != 0)
		fail_msg("%s: '%s' instead of '%s'", cases[n].title, got, cases[n].plan);
	auth_plan_fini(&plan);
	for (size_t i = 0; i < w.blob_count; i++)
		strbuf_fini(&w.blobs[i]);
}

static void test_cases(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		run_case(i);
}

static const struct {
	const char *identities;
	bool wants;
} wishes[] = {
	{ "ka", false }, { "x ka", false }, { "agent ka", true }, { "ka ea", true },
	{ "pa", true },  { "ua", true },    { "", false },
};

static void test_whether_the_agent_matters(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(wishes); i++) {
		struct world w = { 0 };
		char identities[64];

		w.identities.items = w.items;
		each_word(&w, strcpy(identities, wishes[i].identities), add_identity);
		assert_int_equal(auth_plan_wants_agent(&w.identities), wishes[i].wants);
		for (size_t k = 0; k < w.blob_count; k++)
			strbuf_fini(&w.blobs[k]);
	}
}

/* The same words; "only": identities_only. */
static const struct {
	const char *identities, *certs, *rule;
	bool could_grow;
} hopes[] = {
	{ "ka", "", "", false },
	{ "agent", "", "", true },
	{ "ka agent", "", "", true },
	{ "agent", "", "only", false },
	{ "agent x", "", "only", false },
	{ "agent xa", "", "only", true },
	{ "agent pa", "", "only", true },
	{ "ka pb", "", "", true },
	{ "ka eb", "", "", true },
	{ "ka ub", "", "", false },
	{ "ua agent", "", "only", false },
	{ "ua", "b", "", true },
	{ "ka", "b", "", false },
	{ "ua kb", "b", "", false },
	{ "", "", "", false },
};

static void test_whether_more_would_help(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(hopes); i++) {
		struct world w = { 0 };
		struct auth_plan_input input = { .identities = &w.identities,
						 .agent_keys = &w.agent,
						 .identities_only = *hopes[i].rule };
		char identities[64], certs[64];

		w.identities.items = w.items;
		w.identities.certificates = w.certificates;
		each_word(&w, strcpy(identities, hopes[i].identities), add_identity);
		each_word(&w, strcpy(certs, hopes[i].certs), add_certificate);
		if (auth_plan_could_grow(&input) != hopes[i].could_grow)
			fail_msg("%s, certificates %s, %s", hopes[i].identities, hopes[i].certs,
				 hopes[i].rule);
		for (size_t k = 0; k < w.blob_count; k++)
			strbuf_fini(&w.blobs[k]);
	}
}

/* A thousand keys: those that are named are found, and the plan has an end. */
static void test_an_agent_with_many_keys(void **state)
{
	struct strbuf blobs[1000] = { 0 }, named = { 0 };
	struct agent_key *keys = calloc(ARRAY_SIZE(blobs), sizeof(*keys));
	struct identity items[2] = { { .kind = IDENTITY_OF_AGENT }, { .kind = IDENTITY_PUBLIC } };
	struct identities ids = { .items = items, .count = 2 };
	struct agent_keys agent = { .items = keys, .count = ARRAY_SIZE(blobs) };
	struct auth_plan_input input = { .identities = &ids, .agent_keys = &agent };
	struct auth_plan plan;
	struct err err;

	for (size_t i = 0; i < ARRAY_SIZE(blobs); i++) {
		ssh_write_string(&blobs[i], sample_text("ssh-ed25519"));
		ssh_write_u32(&blobs[i], (uint32_t)i);
		keys[i].blob = sample_span(&blobs[i]);
	}
	ssh_write_string(&named, sample_text("ssh-ed25519"));
	ssh_write_u32(&named, 987);
	items[1].blob = (unsigned char *)named.data;
	items[1].blob_size = named.length;
	assert_int_equal(auth_plan_make(&plan, &input, &err), 0);
	assert_in_range(plan.count, 20, 100);
	assert_ptr_equal(plan.items[0].agent_key, &keys[987]);
	assert_ptr_equal(plan.items[1].agent_key, &keys[0]);
	auth_plan_fini(&plan);
	for (size_t i = 0; i < ARRAY_SIZE(blobs); i++)
		strbuf_fini(&blobs[i]);
	strbuf_fini(&named);
	free(keys);
}

static void test_an_orphan(void **state)
{
	struct world w = { 0 };
	struct auth_plan_input input = { .identities = &w.identities, .agent_keys = &w.agent };
	struct auth_plan plan;
	char certs[] = "a b", identities[] = "ka";
	struct err err;

	w.identities.items = w.items;
	w.identities.certificates = w.certificates;
	each_word(&w, identities, add_identity);
	each_word(&w, certs, add_certificate);
	assert_int_equal(auth_plan_make(&plan, &input, &err), 0);
	assert_ptr_equal(auth_plan_orphan(&plan, &w.identities), &w.certificates[1]);
	w.identities.certificate_count = 1;
	assert_null(auth_plan_orphan(&plan, &w.identities));
	auth_plan_fini(&plan);
	for (size_t i = 0; i < w.blob_count; i++)
		strbuf_fini(&w.blobs[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_whether_the_agent_matters),
		cmocka_unit_test(test_whether_more_would_help),
		cmocka_unit_test(test_an_agent_with_many_keys),
		cmocka_unit_test(test_an_orphan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
