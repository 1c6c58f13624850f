/* SPDX-License-Identifier: MIT */
/*
 * The way to a server: which jumps there are, in which order, and what each of them has.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/config_fixture.h"
#include "lib/util.h"

#define HOSTS                                                                                      \
	"hosts:\n"                                                                                 \
	"  a: { address: a.example:2201, user: anna, identity: /k/a }\n"                           \
	"  b: { address: b.example, identity: /k/b, jump: a }\n"                                   \
	"  c: { address: c.example, jump: b }\n"                                                   \
	"  d: { address: d.example, jump: [c, 'me@x:2222'] }\n"                                    \
	"  e: { address: e.example, proxy: 'socks5://p:1080' }\n"                                  \
	"  f: { address: f.example, jump: e }\n"                                                   \
	"  g: { address: g.example, jump: none }\n"

/* "anna@a.example:2201 me@b.example:22" */
static void describe(const struct config_tunnel *t, char *out, size_t size)
{
	const struct config_route *r = &t->routes[0];

	out[0] = '\0';
	for (size_t i = 0; i < r->hop_count; i++) {
		const struct connection_settings *c = &r->hops[i].connection;
		size_t used = strlen(out);

		snprintf(out + used, size - used, "%s%s@%s:%u%s", i ? " " : "", c->user, c->host,
			 c->port, c->proxy ? "(proxy)" : "");
	}
}

static const struct {
	const char *defaults, *tunnel, *way;
} ways[] = {
	/* inline */
	{ "", "host: h", "me@h:22" },
	{ "", "host: h, jump: j", "me@j:22 me@h:22" },
	{ "", "host: you@h, jump: ['x@j:2201', k]", "x@j:2201 me@k:22 you@h:22" },
	{ "", "host: h, jump: 'x@j:2201,k,l'", "x@j:2201 me@k:22 me@l:22 me@h:22" },
	{ "", "host: h, jump: ['x@j, k', l]", "x@j:22 me@k:22 me@l:22 me@h:22" },
	{ "", "host: h, jump: none", "me@h:22" },
	{ "", "host: h, jump: '[2001:db8::1]:22'", "me@2001:db8::1:22 me@h:22" },
	{ "", "host: h, user: you, jump: j", "me@j:22 you@h:22" },
	/* entries */
	{ "", "host: a", "anna@a.example:2201" },
	{ "", "host: b", "anna@a.example:2201 me@b.example:22" },
	{ "", "host: c", "anna@a.example:2201 me@b.example:22 me@c.example:22" },
	{ "", "host: d",
	  "anna@a.example:2201 me@b.example:22 me@c.example:22 me@x:2222 me@d.example:22" },
	{ "", "host: c, jump: a", "anna@a.example:2201 me@c.example:22" },
	{ "", "host: c, jump: none", "me@c.example:22" },
	{ "", "host: h, jump: c", "anna@a.example:2201 me@b.example:22 me@c.example:22 me@h:22" },
	{ "", "host: h, jump: 'you@b:9'", "anna@a.example:2201 you@b.example:9 me@h:22" },
	/* a later one is reached through the one before it */
	{ "", "host: h, jump: [j, c]", "me@j:22 me@c.example:22 me@h:22" },
	{ "", "host: h, jump: [a, b]", "anna@a.example:2201 me@b.example:22 me@h:22" },
	/* other ways */
	{ "", "host: e", "me@e.example:22(proxy)" },
	{ "", "host: f", "me@e.example:22(proxy) me@f.example:22" },
	{ "", "host: h, jump: [j, e]", "me@j:22 me@e.example:22 me@h:22" },
	{ "", "host: e, jump: a", "anna@a.example:2201 me@e.example:22" },
	{ "", "host: c, proxy: 'socks5://p:1'", "me@c.example:22(proxy)" },
	{ "proxy: 'socks5://p:1'", "host: h, jump: j", "me@j:22(proxy) me@h:22" },
	{ "proxy: 'socks5://p:1'", "host: h, jump: [j, k]", "me@j:22(proxy) me@k:22 me@h:22" },
	/* there and back again: not wise, but it ends; and a second server on the same machine */
	{ "", "host: a, jump: b", "anna@a.example:2201 me@b.example:22 anna@a.example:2201" },
	{ "", "host: 'a:2222', jump: a", "anna@a.example:2201 anna@a.example:2222" },
	/* defaults */
	{ "jump: j", "host: h", "me@j:22 me@h:22" },
	{ "jump: j", "host: h, jump: k", "me@k:22 me@h:22" },
	{ "jump: j", "host: h, jump: none", "me@h:22" },
	{ "jump: j", "host: g", "me@g.example:22" },
	{ "jump: j", "host: b", "anna@a.example:2201 me@b.example:22" },
	{ "jump: a", "host: a", "anna@a.example:2201" },
	{ "jump: b", "host: a", "anna@a.example:2201" },
	{ "jump: [c, j]", "host: a", "anna@a.example:2201" },
	{ "jump: a", "host: h, jump: e", "me@e.example:22(proxy) me@h:22" },
	{ "user: you", "host: h, jump: [j, a]", "you@j:22 anna@a.example:2201 you@h:22" },
};

static struct config *load(struct fixture *f, const char *defaults, const char *tunnel)
{
	char text[2048];

	snprintf(text, sizeof(text),
		 HOSTS "defaults: { %s }\ntunnels:\n  t: { %s, local: 1:x:2 }\n", defaults, tunnel);
	return fixture_load_good(f, text);
}

static void test_ways(void **state)
{
	char way[512];

	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		struct config *config = load(*state, ways[i].defaults, ways[i].tunnel);

		describe(config->tunnels[0], way, sizeof(way));
		if (strcmp(way, ways[i].way) != 0)
			fail_msg("{ %s } { %s }: %s", ways[i].defaults, ways[i].tunnel, way);
		config_free(config);
	}
}

static void test_what_a_tunnel_says_never_reaches_a_jump(void **state)
{
	struct config *config =
		load(*state, "known_hosts: /kh, connect_timeout: 9s",
		     "host: h, jump: [j, b], user: you, identity: /k/secret, "
		     "host_key: accept-new, known_hosts: /mine, ciphers: aes128-ctr, "
		     "password: /secret, passphrase: /secret, connect_timeout: 5s, "
		     "keepalive: { interval: 1s }");
	const struct config_route *r = &config->tunnels[0]->routes[0];

	assert_int_equal(r->hop_count, 3);
	for (size_t i = 0; i < 2; i++) {
		const struct connection_settings *c = &r->hops[i].connection;

		assert_string_equal(c->user, "me");
		assert_false(strv_contains(&c->identities, "/k/secret"));
		assert_true(strv_contains(&c->known_hosts, "/kh"));
		assert_false(strv_contains(&c->host_key, "accept-new"));
		assert_null(c->ciphers);
		assert_null(c->password);
		assert_null(c->passphrase);
		assert_int_equal(r->hops[i].upkeep.connect_timeout_ms, 9000);
		assert_int_equal(r->hops[i].upkeep.keepalive_interval_ms, 15000);
	}
	assert_true(r->hops[0].connection.identities_implied);
	assert_string_equal(r->hops[1].connection.identities.items[0], "/k/b");
	assert_string_equal(r->hops[2].connection.identities.items[0], "/k/secret");
	assert_int_equal(config->tunnels[0]->upkeep.connect_timeout_ms, 5000);
	config_free(config);
}

static void assert_share(struct fixture *f, const char *defaults, const char *tunnel,
			 const char *shares)
{
	struct config *config = load(f, defaults, tunnel);
	const struct config_route *r = &config->tunnels[0]->routes[0];

	for (size_t i = 0; i + 1 < r->hop_count; i++)
		assert_int_equal(r->hops[i].connection.share, shares[i] == 'y');
	config_free(config);
}

static void test_share(void **state)
{
	assert_share(*state, "", "host: h, jump: [j, k]", "yy");
	assert_share(*state, "", "host: h, jump: [j, k], share: no", "nn");
	assert_share(*state, "share: no", "host: h, jump: j", "n");
}

static void test_circles(void **state)
{
	struct fixture *f = *state;

	assert_null(fixture_load_text(f, "hosts:\n"
					 "  a: { jump: b }\n"
					 "  b: { jump: c }\n"
					 "  c: { jump: [a, d] }\n"
					 "  z: { jump: a }\n"
					 "tunnels: { t: { host: z, local: 1:h:2 } }\n"));
	fixture_expect(f, 2, 14, "hosts.a: jump: a → b → c → a goes round in a circle");
	assert_int_equal(f->problems.count, 1);
	assert_null(fixture_load_text(f, "hosts: { a: { jump: a } }\n"));
	fixture_expect(f, 1, 21, "jump: a → a goes round in a circle");
	/* a later one is not reached as its entry says */
	config_free(fixture_load_good(f, "hosts: { a: { jump: [b, c] }, c: { jump: a } }\n"));
}

static void test_too_many(void **state)
{
	struct fixture *f = *state;

	config_free(fixture_load_good(f, "tunnels:\n  t: { host: h, jump: 'a,b,c,d,e,f,g,i', "
					 "local: 1:h:2 }\n"));
	assert_null(fixture_load_text(f, "tunnels:\n  t: { host: h, jump: 'a,b,c,d,e,f,g,i,j', "
					 "local: 1:h:2 }\n"));
	fixture_expect(f, 2, 23, "more than 9 servers on the way");
	assert_int_equal(f->problems.count, 1);
	assert_null(fixture_load_text(f, "hosts: { x: { jump: 'a,b,c,d,e,f,g,i' } }\n"
					 "tunnels:\n  t: { host: h, jump: x, local: 1:h:2 }\n"));
	fixture_expect(f, 3, 23, "more than 9 servers on the way");
}

static void test_a_long_chain_of_entries(void **state)
{
	struct fixture *f = *state;
	char text[8192] = "hosts:\n  h0: { address: x }\n";

	for (int i = 1; i < 100; i++) {
		size_t used = strlen(text);

		snprintf(text + used, sizeof(text) - used, "  h%d: { jump: h%d }\n", i, i - 1);
	}
	strcat(text, "tunnels:\n  t: { host: h99, local: 1:h:2 }\n");
	assert_null(fixture_load_text(f, text));
	fixture_expect(f, 0, 0, "more than 9 servers on the way");
	assert_int_equal(f->problems.count, 1);
}

static void test_the_system_instance_wants_a_key_for_each(void **state)
{
	struct fixture *f = *state;

	f->context.system = true;
	assert_null(fixture_load_text(
		f, "tunnels:\n  t: { host: h, identity: /k, jump: j, local: 1:h:2 }\n"));
	fixture_expect(f, 2, 37, "jump 'j': 'identity' is missing");
	assert_int_equal(f->problems.count, 1);
	config_free(fixture_load_good(f,
				      "hosts: { j: { identity: /j } }\ntunnels:\n  t: { host: h, "
				      "identity: /k, jump: j, local: 1:h:2 }\n"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_ways),
		TEST(test_what_a_tunnel_says_never_reaches_a_jump),
		TEST(test_share),
		TEST(test_circles),
		TEST(test_too_many),
		TEST(test_a_long_chain_of_entries),
		TEST(test_the_system_instance_wants_a_key_for_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
