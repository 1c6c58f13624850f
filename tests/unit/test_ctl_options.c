/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/ctl.h"
#include "ctl/letters.h"
#include "lib/util.h"

#define WORDS_MAX 24

/* Splits line at spaces and reads it as a command line. */
static int parse(struct args *args, struct failure *f, const char *line)
{
	static char words[1024]; /* the arguments borrow from it */
	char *argv[WORDS_MAX], *rest = words;
	int argc = 0;

	assert_true(strlen(line) < sizeof(words));
	strcpy(words, line);
	for (char *word; (word = strsep(&rest, " "));)
		argv[argc++] = word;
	*f = (struct failure){ 0 };
	return args_parse(args, argc, argv, f);
}

static void test_globals_before_and_after(void **state)
{
	static const char *const lines[] = {
		"tunctl -s /x --json list a b",       "tunctl list -s /x --json a b",
		"tunctl list a b --json -s/x",        "tunctl --socket=/x list a --json -- b",
		"tunctl --socket /x list --json a b",
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct args args;
		struct failure f;

		assert_int_equal(parse(&args, &f, lines[i]), 0);
		assert_string_equal(args.verb->name, "list");
		assert_string_equal(args_value(&args, OPTION_SOCKET), "/x");
		assert_true(args_has(&args, OPTION_JSON));
		assert_int_equal(args.operand_count, 2);
		assert_string_equal(args.operands[0], "a");
		assert_string_equal(args.operands[1], "b");
		args_fini(&args);
	}
}

static void test_the_last_value_counts(void **state)
{
	struct args args;
	struct failure f;

	assert_int_equal(parse(&args, &f, "tunctl -s /a up -s /b x --timeout 1s --timeout=2s"), 0);
	assert_string_equal(args_value(&args, OPTION_SOCKET), "/b");
	assert_string_equal(args_value(&args, OPTION_TIMEOUT), "2s");
	assert_null(args_value(&args, OPTION_PORT));
	args_fini(&args);
}

static void test_refused(void **state)
{
	static const char *const lines[] = {
		"tunctl frobnicate",
		"tunctl -x list",
		"tunctl list -x",
		"tunctl list --al",
		"tunctl list --all",
		"tunctl up",
		"tunctl up --all x",
		"tunctl -s",
		"tunctl list --json=1",
		"tunctl up x --timeout",
		"tunctl reload x",
		"tunctl add a",
		"tunctl add a b c",
		"tunctl add a b -L",
		"tunctl add a b -NW1:a:1",
		"tunctl add a b -w0",
		"tunctl forward a",
		"tunctl forward a add x",
		"tunctl forward a add -i k",
		"tunctl kill",
		"tunctl nc a",
		"tunctl nc a b c d",
		"tunctl inspect",
		"tunctl list -V",
		"tunctl version --all",
		"tunctl inspect --daemon x",
	};

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		struct args args;
		struct failure f;

		assert_int_equal(parse(&args, &f, lines[i]), -1);
		assert_int_equal(f.exit, EXIT_USAGE);
		assert_string_equal(f.code, "usage");
		assert_true(f.message[0] != '\0');
		args_fini(&args);
	}
}

/* Help is given whatever else is missing. */
static void test_help_needs_no_operands(void **state)
{
	struct args args;
	struct failure f;

	assert_int_equal(parse(&args, &f, "tunctl add -h"), 0);
	args_fini(&args);
	assert_int_equal(parse(&args, &f, "tunctl"), 0);
	assert_null(args.verb);
	args_fini(&args);
}

static const struct {
	const char *line;
	const char *json; /* NULL: refused */
} tunnels[] = {
	{ "h", "{'host':'h'}" },
	{ "-L 1:a:1 me@h", "{'local':'1:a:1','host':'me@h'}" },
	{ "-L 1:a:1 -L2:b:2 -L [::1]:3:c:3 h",
	  "{'local':['1:a:1','2:b:2','[::1]:3:c:3'],'host':'h'}" },
	{ "-i k -i /k -i ~/k h", "{'identity':['/cwd/k','/k','/home/k'],'host':'h'}" },
	{ "-o identity=credential:k h", "{'identity':'credential:k','host':'h'}" },
	{ "-oUserKnownHostsFile=kh h", "{'known_hosts':'/cwd/kh','host':'h'}" },
	{ "-p 2222 h", "{'host':'h:2222'}" },
	{ "-l me -p 22 fe80::1", "{'host':'me@[fe80::1]:22'}" },
	{ "-l me h:22", "{'host':'me@h:22'}" },
	{ "ssh://me@h:22", "{'host':'me@h:22'}" },
	{ "-c aes128-ctr -fNTnqvax h", "{'ciphers':'aes128-ctr','host':'h'}" },
	{ "-M 0 -M0 h", "{'host':'h'}" },
	{ "-o a.b.c=1 -o a.b.d=2 h", "{'a':{'b':{'c':'1','d':'2'}},'host':'h'}" },
	{ "-o serveraliveinterval=5 h", "{'keepalive':{'interval':'5s'},'host':'h'}" },
	{ "-R 1:a:1 -D 2 -D 3 h", "{'remote':'1:a:1','dynamic':['2','3'],'host':'h'}" },
	{ "-L d/s:b:1 -R 1:d/s h", "{'local':'/cwd/d/s:b:1','remote':'1:/cwd/d/s','host':'h'}" },
	{ "-o LocalForward=1:a:1 -o localforward=d/s:a:1 h",
	  "{'local':['1:a:1','/cwd/d/s:a:1'],'host':'h'}" },
	{ "-o exitonforwardfailure=no h", "{'exit_on_forward_failure':'no','host':'h'}" },
	{ "-o GatewayPorts=no -o Tunnel=no -o StrictHostKeyChecking=YES h",
	  "{'host_key':'strict','host':'h'}" },
	{ "-o ControlMaster=auto -o ForwardAgent=no h", "{'host':'h'}" },
	{ "-J a,me@b:2222 h", "{'jump':['a','me@b:2222'],'host':'h'}" },
	{ "-o ProxyJump=a h", "{'jump':'a','host':'h'}" },
	{ "-NC -m hmac-sha2-256 h", "{'compression':'yes','macs':'hmac-sha2-256','host':'h'}" },
	{ "-o HostKeyAlias=x -o StrictHostKeyChecking=accept-new h",
	  "{'host_key_alias':'x','host_key':'accept-new','host':'h'}" },
	{ "-o CertificateFile=c -o IdentityAgent=a.sock -o IdentitiesOnly=yes h",
	  "{'certificate_file':'/cwd/c','identity_agent':'/cwd/a.sock',"
	  "'identities_only':'yes','host':'h'}" },
	{ "-o IdentityAgent=none h", "{'identity_agent':'none','host':'h'}" },
	{ "-o IdentityFile=~/k h", "{'identity':'/home/k','host':'h'}" },
	{ "-o KexAlgorithms=a,b -o MACs=x -o HostKeyAlgorithms=y -c z h",
	  "{'kex':'a,b','macs':'x','host_key_algorithms':'y','ciphers':'z','host':'h'}" },
	{ "-o GlobalKnownHostsFile=/g -o UserKnownHostsFile=u h",
	  "{'known_hosts':['/g','/cwd/u'],'host':'h'}" },
	{ "-o HostName=10.0.0.1 -p 22 me@h", "{'host':'me@10.0.0.1:22'}" },
	{ "-o HostName=a/b h", NULL },
	{ "-o ForwardAgent=yes h", NULL },
	{ "-o IdentityFile=%C h", NULL },
	{ "-J \xff h", NULL },
	{ "-b 10.0.0.1 -4 h", "{'bind_address':'10.0.0.1','address_family':'inet','host':'h'}" },
	{ "-B eth0 -6 h", "{'bind_address':'eth0','address_family':'inet6','host':'h'}" },
	{ "-o BindAddress=::1 -o AddressFamily=any -o TCPKeepAlive=no -o IPQoS=cs1 h",
	  "{'bind_address':'::1','address_family':'any','tcp_keepalive':'no','ip_qos':'cs1',"
	  "'host':'h'}" },
	{ "-o ProxyCommand=corkscrew h", "{'proxy_command':['corkscrew'],'host':'h'}" },
	{ "-o ProxyCommand=./nc h", "{'proxy_command':['/cwd/./nc'],'host':'h'}" },
	{ "-o ProxyCommand=nc|cat h", NULL },
	{ "-o proxy_command=$X h", NULL },
	{ "-o proxy=socks5://p:1 h", "{'proxy':'socks5://p:1','host':'h'}" },
	{ "-o remote.listen=1 -o remote.allow=any h",
	  "{'remote':{'listen':'1','allow':'any'},'host':'h'}" },
	{ "-o BatchMode=yes -o hold=0 h", "{'hold':'0','host':'h'}" },
	{ "-o x= h", "{'x':'','host':'h'}" },
	{ "-p 0 h", NULL },
	{ "-p 65536 h", NULL },
	{ "-p 22 h:22", NULL },
	{ "-l a b@h", NULL },
	{ "-o x h", NULL },
	{ "-o =x h", NULL },
	{ "-o a=1 -o a.b=2 h", NULL },
	{ "-o StrictHostKeyChecking=no h", NULL },
	{ "-o x=\xff h", NULL },
	{ "-o GatewayPorts=yes h", NULL },
	{ "-o tunnel=point-to-point h", NULL },
	{ "-R 1 -o remote.listen=2 h", NULL },
};

static const struct {
	const char *line;
	const char *json; /* NULL: refused */
} forwards[] = {
	{ "-L 1:a:1 -R2:b:2 -D 3", "{'local':'1:a:1','remote':'2:b:2','dynamic':'3'}" },
	{ "-o dynamic.listen=3 -o dynamic.allow=a:1", "{'dynamic':{'listen':'3','allow':'a:1'}}" },
	{ "-o DynamicForward=3", "{'dynamic':'3'}" },
	{ "-o dynamic.listen=./s -o dynamic.mode=0660",
	  "{'dynamic':{'listen':'/cwd/./s','mode':'0660'}}" },
	{ "-o remote.target=~/s -o remote.listen=1",
	  "{'remote':{'target':'/home/s','listen':'1'}}" },
	{ "-o local.target=a:1 -o local.listen=d/s",
	  "{'local':{'target':'a:1','listen':'/cwd/d/s'}}" },
	{ "", NULL },
	{ "-D 3 -o hold=1", NULL },
	{ "-D 3 -o Port=1", NULL },
	{ "-D 3 -o User=me", NULL },
};

static json_t *expected_object(const char *text)
{
	char json[512];
	size_t i;

	for (i = 0; text[i]; i++)
		json[i] = text[i] == '\'' ? '"' : text[i];
	json[i] = '\0';
	return json_loads(json, 0, NULL);
}

static void check_object(const char *command, const char *letters, letters_fn *read,
			 const char *json)
{
	char line[256];
	struct args args;
	struct failure f;
	json_t *object;

	snprintf(line, sizeof(line), "%s%s%s", command, *letters ? " " : "", letters);
	assert_int_equal(parse(&args, &f, line), 0);
	object = read(&args, "/cwd", "/home", &f);
	if (!json) {
		assert_null(object);
		assert_int_equal(f.exit, EXIT_USAGE);
	} else {
		json_t *expected = expected_object(json);

		assert_non_null(expected);
		assert_true(json_equal(object, expected));
		json_decref(expected);
	}
	json_decref(object);
	args_fini(&args);
}

static void test_add_objects(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(tunnels); i++)
		check_object("tunctl add x", tunnels[i].line, letters_tunnel, tunnels[i].json);
}

static void test_forward_objects(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(forwards); i++)
		check_object("tunctl forward x add", forwards[i].line, letters_forwards,
			     forwards[i].json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_globals_before_and_after),
		cmocka_unit_test(test_the_last_value_counts),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_help_needs_no_operands),
		cmocka_unit_test(test_add_objects),
		cmocka_unit_test(test_forward_objects),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
