/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/json_put.h"
#include "lib/ssh_keywords.h"
#include "lib/ssh_tokens.h"
#include "lib/str.h"
#include "lib/util.h"

/* What the sink was told. */
struct told {
	json_t *keys;
	struct strbuf notes;
};

static int on_put(void *data, const char *key, json_t *value)
{
	struct told *told = data;

	return json_put(told->keys, key, value, NULL);
}

static int on_note(void *data, const char *text)
{
	struct told *told = data;

	strbuf_addf(&told->notes, "%s|", text);
	return 0;
}

static const struct ssh_names names = {
	.home = "/home/me",
	.local_user = "me",
	.host = "db",
	.hostname = "db.example.com",
	.port = "2222",
	.user = "tunnel",
};

static const struct {
	const char *keyword, *value;
	const char *json; /* with ' for " */
	const char *note; /* part of it; NULL: there is none */
} cases[] = {
	{ "User", "me", "{'user': 'me'}", NULL },
	{ "identityfile", "~/.ssh/id_%r_%h", "{'identity': '~/.ssh/id_tunnel_db.example.com'}",
	  NULL },
	{ "IdentityFile", "%d/%u/%n-%p%%", "{'identity': '/home/me/me/db-2222%'}", NULL },
	{ "IdentityFile", "none", "{'identity': 'agent'}", NULL },
	{ "IdentityFile", "${TEST_KEYS}/x", "{'identity': '/keys/x'}", NULL },
	{ "IdentityFile", "${TEST_NONE}/x", "{}", "no such variable" },
	{ "IdentityFile", "/k/%C", "{}", "IdentityFile /k/%C: a token" },
	{ "IdentityFile", "/k/%", "{}", "a token" },
	{ "IdentityFile", "${", "{}", "no such variable" },
	{ "IdentityFile", "/k/%z", "{}", "a token" },
	{ "IdentityFile", "~no.such.user/k", "{}", "there is no such user" },
	{ "IdentityFile", "~root/k%%", "{'identity': '/root/k%'}", NULL },
	{ "IdentitiesOnly", "yes", "{'identities_only': 'yes'}", NULL },
	{ "IdentitiesOnly", "no", "{'identities_only': 'no'}", NULL },
	{ "CertificateFile", "~/c", "{'certificate_file': '~/c'}", NULL },
	{ "IdentityAgent", "none", "{'identity_agent': 'none'}", NULL },
	{ "IdentityAgent", "SSH_AUTH_SOCK", "{'identity_agent': 'SSH_AUTH_SOCK'}", NULL },
	{ "IdentityAgent", "$TEST_KEYS", "{'identity_agent': '/keys'}", NULL },
	{ "IdentityAgent", "$TEST_NONE", "{}", "no such variable" },
	{ "IdentityAgent", "~/a.sock", "{'identity_agent': '~/a.sock'}", NULL },
	{ "ProxyJump", "a", "{'jump': 'a'}", NULL },
	{ "ProxyJump", "me@a:2222,ssh://b", "{'jump': ['me@a:2222', 'b']}", NULL },
	{ "ProxyJump", "[10.0.0.1],me@[a]:22,[::1]:22",
	  "{'jump': ['10.0.0.1', 'me@a:22', '[::1]:22']}", NULL },
	{ "ProxyJump", "none", "{'jump': 'none'}", NULL },
	{ "ProxyJump", "%r@jump-%n:%p", "{'jump': 'tunnel@jump-db:2222'}", NULL },
	{ "ProxyJump", "%d", "{}", "a token" }, /* ssh has no more than four there */
	{ "ProxyCommand", "exec nc %h %p", "{'proxy_command': 'nc %h %p'}", NULL },
	{ "ProxyCommand", "none", "{}", NULL },
	{ "BindAddress", "192.0.2.1", "{'bind_address': '192.0.2.1'}", NULL },
	{ "AddressFamily", "inet6", "{'address_family': 'inet6'}", NULL },
	{ "TCPKeepAlive", "false", "{'tcp_keepalive': 'no'}", NULL },
	{ "IPQoS", "af21 cs1", "{'ip_qos': 'af21 cs1'}", NULL },
	{ "ConnectTimeout", "7", "{'connect_timeout': '7s'}", NULL },
	{ "ConnectTimeout", "none", "{}", NULL },
	{ "ConnectTimeout", "1m", "{'connect_timeout': '1m'}", NULL },
	{ "HostKeyAlias", "db", "{'host_key_alias': 'db'}", NULL },
	{ "UserKnownHostsFile", "/a /b", "{'known_hosts': ['/a', '/b']}", NULL },
	{ "UserKnownHostsFile", "/a b /c d e ~/f", "{'known_hosts': ['/a b', '/c d e', '~/f']}",
	  NULL },
	{ "UserKnownHostsFile", "/dev/null", "{}", NULL },
	{ "UserKnownHostsFile", "none", "{}", NULL },
	{ "StrictHostKeyChecking", "accept-new", "{'host_key': 'accept-new'}", NULL },
	{ "StrictHostKeyChecking", "ask", "{'host_key': 'strict'}", NULL },
	{ "StrictHostKeyChecking", "true", "{'host_key': 'strict'}", NULL },
	{ "StrictHostKeyChecking", "false", "{'host_key': 'strict'}", "always checks host keys" },
	{ "StrictHostKeyChecking", "off", "{'host_key': 'strict'}", "always checks host keys" },
	{ "Ciphers", "aes256-ctr", "{'ciphers': 'aes256-ctr'}", NULL },
	{ "Ciphers", "aes256-ctr,3des-cbc,aes128-ctr,x", "{'ciphers': 'aes256-ctr,aes128-ctr'}",
	  "Ciphers 3des-cbc,x: not offered by tunneld; left out" },
	{ "MACs", "hmac-md5", "{}", "nothing of the list is left" },
	{ "KexAlgorithms", "curve25519-sha256", "{'kex': 'curve25519-sha256'}", NULL },
	{ "HostKeyAlgorithms", "ssh-ed25519,ssh-dss", "{'host_key_algorithms': 'ssh-ed25519'}",
	  "ssh-dss" },
	{ "Compression", "yes", "{'compression': 'yes'}", NULL },
	{ "RekeyLimit", "0 0", "{}", NULL },
	{ "RekeyLimit", "1073741824 3600", "{'rekey': '1G 3600s'}", NULL },
	{ "RekeyLimit", "1048576 0", "{'rekey': '1M'}", NULL },
	{ "RekeyLimit", "65536 none", "{'rekey': '64K'}", NULL },
	{ "RekeyLimit", "0 60", "{'rekey': 'default 60s'}", NULL },
	{ "RekeyLimit", "1G 1h", "{'rekey': '1G 1h'}", NULL },
	{ "RekeyLimit", "default none", "{'rekey': 'default none'}", NULL },
	{ "ServerAliveInterval", "30", "{'keepalive': {'interval': '30s'}}", NULL },
	{ "ServerAliveInterval", "0", "{}", NULL },
	{ "ServerAliveCountMax", "5", "{'keepalive': {'count': '5'}}", NULL },
	{ "ExitOnForwardFailure", "yes", "{'exit_on_forward_failure': 'yes'}", NULL },
	{ "LocalForward", "5432 [db]:5432", "{'local': '5432:db:5432'}", NULL },
	{ "LocalForward", "5432 db:5432", "{'local': '5432:db:5432'}", NULL },
	{ "LocalForward", "[::1]:98 [2001:db8::1]:80", "{'local': '[::1]:98:[2001:db8::1]:80'}",
	  NULL },
	{ "LocalForward", "[127.0.0.1]:99 /run/y.sock", "{'local': '127.0.0.1:99:/run/y.sock'}",
	  NULL },
	{ "LocalForward", "/tmp/a:b /run/y", "{'local': '/tmp/a\\\\:b:/run/y'}", NULL },
	{ "RemoteForward", "2222 [localhost]:22", "{'remote': '2222:localhost:22'}", NULL },
	{ "RemoteForward", "2223 [socks]:0", "{'remote': {'listen': '2223', 'allow': ['any']}}",
	  "may go anywhere" },
	{ "RemoteForward", "[*]:2223", "{'remote': {'listen': '*:2223', 'allow': ['any']}}",
	  "may go anywhere" },
	{ "DynamicForward", "1080", "{'dynamic': '1080'}", NULL },
	{ "DynamicForward", "[*]:1081", "{'dynamic': '*:1081'}", NULL },
	{ "ControlMaster", "auto", "{}", NULL },
	{ "SendEnv", "LANG", "{}", "SendEnv LANG: no command runs" },
	{ "RemoteCommand", "a\nb", "{}", "RemoteCommand a\\nb: no command" },
};

static json_t *expected(const char *text)
{
	CLEANUP(freep) char *copy = strdup(text);
	json_t *json;

	for (char *c = copy; *c; c++)
		*c = *c == '\'' ? '"' : *c;
	json = json_loads(copy, 0, NULL);
	assert_non_null(json);
	return json;
}

static void check(size_t i, struct told *told)
{
	json_t *want = expected(cases[i].json);
	CLEANUP(freep) char *notes = strbuf_take(&told->notes);
	CLEANUP(freep) char *got = json_dumps(told->keys, 0);

	if (!json_equal(want, told->keys))
		fail_msg("%s %s: %s", cases[i].keyword, cases[i].value, got);
	if (cases[i].note ? !strstr(notes, cases[i].note) : *notes != '\0')
		fail_msg("%s %s: '%s'", cases[i].keyword, cases[i].value, notes);
	json_decref(want);
}

static void test_values(void **state)
{
	setenv("TEST_KEYS", "/keys", 1);
	unsetenv("TEST_NONE");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct ssh_keyword *keyword = ssh_keyword_find(cases[i].keyword);
		struct told told = { .keys = json_object() };
		struct ssh_sink sink = { on_put, on_note, &told };

		assert_non_null(keyword);
		assert_int_equal(ssh_translate(keyword, cases[i].value, &names, &sink), 0);
		check(i, &told);
		json_decref(told.keys);
	}
}

/* ---- tokens ---- */

#define HASH "0123456789abcdef0123456789abcdef01234567"

static const struct {
	const char *text, *jump, *key_alias;
	const char *becomes; /* NULL: it has no meaning */
} tokens[] = {
	{ "%C", NULL, NULL, HASH },
	{ "%h %n %p %r %u %d", NULL, NULL, "db.example.com db 2222 tunnel me /home/me" },
	{ "%%h%%", NULL, NULL, "%h%" },
	{ "%k", NULL, NULL, "db" },
	{ "%k", NULL, "alias-%h", "alias-%h" }, /* a value is not looked at again */
	{ "<%j>", NULL, NULL, "<>" },
	{ "<%j>", "none", NULL, "<>" },
	{ "%j", "me@jump:22", NULL, "jump" },
	{ "%j", "me@[a]:22, ssh://you@[::1]:33", NULL, "::1" },
	{ "%j", "no host", NULL, NULL },
	{ "$TEST_KEYS ${TEST_KEYS}", NULL, NULL, "$TEST_KEYS /keys" },
	{ "%T", NULL, NULL, NULL },
	{ "%", NULL, NULL, NULL },
};

static void test_tokens(void **state)
{
	setenv("TEST_KEYS", "/keys", 1);
	for (size_t i = 0; i < ARRAY_SIZE(tokens); i++) {
		struct ssh_names all = names;
		const char *why;
		CLEANUP(freep) char *got = NULL;

		all.hash = HASH;
		all.jump = tokens[i].jump;
		all.key_alias = tokens[i].key_alias;
		got = ssh_tokens_expand(&all, tokens[i].text, SSH_TOKENS_ALL, true, &why);
		if (!streq(got, tokens[i].becomes))
			fail_msg("%s: %s", tokens[i].text, got ? got : why);
	}
}

static void test_host_names(void **state)
{
	char host[256] = "", first[256];
	const char *why;
	CLEANUP(freep) char *got = ssh_tokens_expand(&names, "%l %L %i", "lLi", false, &why);
	CLEANUP(freep) char *want = NULL;

	assert_int_equal(gethostname(host, sizeof(host) - 1), 0);
	snprintf(first, sizeof(first), "%.*s", (int)strcspn(host, "."), host);
	want = str_printf("%s %s %u", host, first, (unsigned)geteuid());
	assert_string_equal(got, want);
}

/* What ssh has replaced once is not replaced again, and what it never replaces is as written. */
static const struct {
	const char *keyword, *value, *json;
} replaced[] = {
	{ "UserKnownHostsFile", "/a%h /b/${X}", "{'known_hosts': ['/a%h', '/b/${X}']}" },
	{ "GlobalKnownHostsFile", "/g%h", "{'known_hosts': '/g%h'}" },
	{ "IdentityAgent", "/run/%n", "{'identity_agent': '/run/%n'}" },
	{ "IdentityFile", "/k%n", "{'identity': '/kdb'}" },
	{ "CertificateFile", "~/c-%n", "{'certificate_file': '~/c-db'}" },
};

static void test_replaced_once(void **state)
{
	struct ssh_names output = names;

	output.is_output = true;
	for (size_t i = 0; i < ARRAY_SIZE(replaced); i++) {
		struct told told = { .keys = json_object() };
		struct ssh_sink sink = { on_put, on_note, &told };
		json_t *want = expected(replaced[i].json);

		ssh_translate(ssh_keyword_find(replaced[i].keyword), replaced[i].value, &output,
			      &sink);
		if (!json_equal(want, told.keys) || told.notes.length > 0)
			fail_msg("%s %s", replaced[i].keyword, replaced[i].value);
		json_decref(want);
		json_decref(told.keys);
	}
}

static void test_limited_proxy(void **state)
{
	struct ssh_names limited = names;
	struct told told = { .keys = json_object() };
	struct ssh_sink sink = { on_put, on_note, &told };
	json_t *want = expected("{'remote': {'listen': '1', 'allow': ['a:1', 'b:2']}}");

	limited.permit_remote_open = "a:1 b:2";
	ssh_translate(ssh_keyword_find("RemoteForward"), "1 [socks]:0", &limited, &sink);
	assert_true(json_equal(want, told.keys));
	assert_int_equal(told.notes.length, 0);
	json_decref(want);
	json_decref(told.keys);
}

/* ---- whole outputs ---- */

#define UNSET                                                                                      \
	"host x\nuser me\nhostname x\nport 22\ncompression no\nsendenv\nforwardagent no\n"         \
	"userknownhostsfile /u1 /u2\nglobalknownhostsfile /g\nidentityfile ~/.ssh/id_rsa\n"

static const struct {
	const char *said, *usual;
	const char *json, *notes;
} outputs[] = {
	{ UNSET, NULL, "{}", "" },
	{ UNSET "compression yes\n", NULL, "{'compression': ['no', 'yes']}", "" },
	{ "host x\nuser you\nhostname y\nport 2\ncompression no\nsendenv\nforwardagent no\n"
	  "userknownhostsfile /u1 /u2\nglobalknownhostsfile /g\nidentityfile ~/.ssh/id_rsa\n",
	  NULL, "{}", "" },
	/* The list of one is completed by the other's. */
	{ "compression no\nsendenv\nforwardagent no\nuserknownhostsfile /mine\n"
	  "globalknownhostsfile /g\nidentityfile ~/.ssh/id_rsa\n",
	  NULL, "{'known_hosts': ['/mine', '/g']}", "" },
	{ "compression no\nsendenv\nforwardagent yes\nuserknownhostsfile /u1 /u2\n"
	  "globalknownhostsfile /g\nidentityfile ~/.ssh/id_rsa\nnewword 1\n",
	  NULL, "{}",
	  "ForwardAgent yes: no command runs on the server that could use the agent|newword 1: "
	  "this version of tunneld does not know it|" },
	/* What the system itself says is not worth a note, but counts. */
	{ "compression yes\nsendenv\nforwardagent yes\nuserknownhostsfile /u1 /u2\n"
	  "globalknownhostsfile /g\nidentityfile ~/.ssh/id_rsa\nnewword 1\n",
	  "compression yes\nforwardagent yes\nnewword 1\n", "{'compression': 'yes'}", "" },
	/* Its agent is what ssh goes on with. */
	{ "compression no\nsendenv\nforwardagent no\nuserknownhostsfile /u1 /u2\n"
	  "globalknownhostsfile /g\nidentityfile /a\nidentityfile /b\nidentitiesonly no\n",
	  NULL, "{'identity': ['/a', '/b', 'agent'], 'identities_only': 'no'}", "" },
	{ "compression no\nsendenv\nforwardagent no\nuserknownhostsfile /u1 /u2\n"
	  "globalknownhostsfile /g\nidentityfile /a\nidentitiesonly yes\n",
	  NULL, "{'identity': '/a', 'identities_only': 'yes'}", "" },
	{ "compression no\nsendenv\nforwardagent no\nuserknownhostsfile /u1 /u2\n"
	  "globalknownhostsfile /g\nidentityfile none\n",
	  NULL, "{'identity': 'agent'}", "" },
	/* OpenSSH 9.2 prints a local forward to a socket as a dynamic one, too. */
	{ UNSET "dynamicforward /tmp/x\ndynamicforward [127.0.0.1]:99\ndynamicforward 1080\n"
		"localforward /tmp/x /run/y\nlocalforward [127.0.0.1]:99 /run/y\n"
		"localforward 1080 [db]:5432\n",
	  NULL,
	  "{'local': ['/tmp/x:/run/y', '127.0.0.1:99:/run/y', '1080:db:5432'], 'dynamic': '1080'}",
	  "" },
};

static void test_outputs(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(outputs); i++) {
		struct ssh_output said, unset, usual = { 0 };
		struct told told = { .keys = json_object() };
		struct ssh_sink sink = { on_put, on_note, &told };
		const char *third = outputs[i].usual;
		json_t *want = expected(outputs[i].json);
		CLEANUP(freep) char *notes = NULL;
		CLEANUP(freep) char *got = NULL;

		ssh_output_parse(outputs[i].said, strlen(outputs[i].said), &said, NULL);
		ssh_output_parse(UNSET, strlen(UNSET), &unset, NULL);
		if (third)
			ssh_output_parse(third, strlen(third), &usual, NULL);
		assert_int_equal(
			ssh_translate_output(&said, &unset, third ? &usual : NULL, &names, &sink),
			0);
		notes = strbuf_take(&told.notes);
		got = json_dumps(told.keys, 0);
		if (!json_equal(want, told.keys))
			fail_msg("%zu: %s", i, got);
		assert_string_equal(notes, outputs[i].notes);
		json_decref(want);
		json_decref(told.keys);
		ssh_output_fini(&said);
		ssh_output_fini(&unset);
		ssh_output_fini(&usual);
	}
}

static void test_table(void **state)
{
	for (size_t i = 0; i < ssh_keyword_count; i++) {
		const struct ssh_keyword *k = &ssh_keywords[i];

		assert_ptr_equal(ssh_keyword_find(k->name), k);
		assert_int_equal(k->fate == SSH_BECOMES, k->key != NULL);
		assert_int_equal(k->fate == SSH_BECOMES, k->translate != NULL);
		assert_int_equal(k->fate == SSH_NOTED, k->why != NULL);
	}
	assert_null(ssh_keyword_find("Nonsense"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),        cmocka_unit_test(test_tokens),
		cmocka_unit_test(test_host_names),    cmocka_unit_test(test_replaced_once),
		cmocka_unit_test(test_limited_proxy), cmocka_unit_test(test_outputs),
		cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
