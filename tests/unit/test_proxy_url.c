/* SPDX-License-Identifier: MIT */
/*
 * What people write after 'proxy', and what they are told when it is none. No message shows what may
 * be a password.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/proxy_url.h"
#include "lib/str.h"
#include "lib/util.h"

static const struct {
	const char *text;
	enum proxy_kind kind;
	const char *host;
	uint16_t port;
	const char *user, *password;
	const char *shown;
} good[] = {
	{ "socks5://10.0.0.1", PROXY_SOCKS5, "10.0.0.1", 1080, "", "", "socks5://10.0.0.1:1080" },
	{ "SOCKS5H://proxy.example:9050/", PROXY_SOCKS5, "proxy.example", 9050, "", "",
	  "socks5://proxy.example:9050" },
	{ "socks5://me:secret@[::1]:1", PROXY_SOCKS5, "::1", 1, "me", "secret",
	  "socks5://me@[::1]:1" },
	{ "socks5://[2001:db8::1]", PROXY_SOCKS5, "2001:db8::1", 1080, "", "",
	  "socks5://[2001:db8::1]:1080" },
	{ "socks4://h:2", PROXY_SOCKS4, "h", 2, "", "", "socks4://h:2" },
	{ "socks4a://me@h", PROXY_SOCKS4A, "h", 1080, "me", "", "socks4a://me@h:1080" },
	{ "http://proxy:3128", PROXY_HTTP, "proxy", 3128, "", "", "http://proxy:3128" },
	{ "http://me@proxy:3128/", PROXY_HTTP, "proxy", 3128, "me", "", "http://me@proxy:3128" },
	{ "http://DOM%5Cme:p%40ss%3a%2F%25@proxy:3128", PROXY_HTTP, "proxy", 3128, "DOM\\me",
	  "p@ss:/%", "http://DOM\\me@proxy:3128" },
	{ "http://a@b:c@d@proxy:3128", PROXY_HTTP, "proxy", 3128, "a@b", "c@d",
	  "http://a@b@proxy:3128" },
	{ "http://me::@proxy:http", PROXY_HTTP, "proxy", 80, "me", ":", "http://me@proxy:80" },
};

static void test_good(void **state)
{
	struct proxy_url url;
	char shown[400];
	struct err err;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		if (proxy_url_parse(good[i].text, &url, &err) < 0)
			fail_msg("%s: %s", good[i].text, err.msg);
		assert_int_equal(url.kind, good[i].kind);
		assert_string_equal(url.host, good[i].host);
		assert_int_equal(url.port, good[i].port);
		assert_string_equal(url.user, good[i].user);
		assert_string_equal(url.password, good[i].password);
		assert_string_equal(proxy_url_text(shown, sizeof(shown), &url), good[i].shown);
	}
}

static const struct {
	const char *text, *says;
} bad[] = {
	{ "", "is no URL; write socks5://host:port" },
	{ "10.0.0.1:1080", "is no URL" },
	{ "https://proxy:443", "https://: a proxy that is spoken to with TLS is not supported" },
	{ "socks://h:1", "Write socks5:// or socks4://" },
	{ "ssh://h:1", "'jump'" },
	{ "ftp\n://h:1", "'ftp\\n://' is not known" },
	{ "socks5://", "host name is empty" },
	{ "socks5://:1080", "host name is empty" },
	{ "socks5://h:0", "not a port" },
	{ "socks5://h:x", "is no port" },
	{ "socks5://a b:1", "contains a space" },
	{ "socks5://::1:1080", "in a URL an IPv6 address has brackets" },
	{ "socks5://a:b:1", "is no port" },
	{ "http://me:SECRET", "followed by @host:port" },
	{ "http://me:SECRET:3128", "followed by @host:port" },
	{ "http://proxy", "the port is missing; write http://proxy:PORT" },
	{ "http://proxy:3128/path", "nothing after it" },
	{ "http://proxy:3128?x", "nothing after it" },
	{ "http://me:SECRET/1@proxy:3128", "are written %2F" },
	{ "http://@proxy:3128", "nobody is named" },
	{ "http://:SECRET@proxy:3128", "nobody is named" },
	{ "http://m%3Ae:SECRET@proxy:3128", "the user cannot contain ':'" },
	{ "http://me:SECRET%4@proxy:3128", "write %25" },
	{ "http://me:SECRET%@proxy:3128", "write %25" },
	{ "http://me:SECRET%4g@proxy:3128", "write %25" },
	{ "http://me:SECRET%0a@proxy:3128", "password cannot contain control" },
	{ "http://m%00e:SECRET@proxy:3128", "user cannot contain control" },
	{ "socks5://me@h:1", "SOCKS5 wants a password" },
	{ "socks5://me:@h:1", "SOCKS5 wants a password" },
	{ "socks4://me:SECRET@h:1", "SOCKS4 knows no password" },
	{ "socks4a://me:SECRET@h:1", "SOCKS4 knows no password" },
	{ "socks5://me:SECRET@h:x", "'x' is not a port" },
};

static void test_bad(void **state)
{
	struct proxy_url url;
	struct err err;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (proxy_url_parse(bad[i].text, &url, &err) == 0)
			fail_msg("'%s' was taken", bad[i].text);
		assert_true(err.code == ERR_CONFIG || err.code == ERR_UNSUPPORTED);
		if (!strstr(err.msg, bad[i].says) || strstr(err.msg, "SECRET"))
			fail_msg("'%s': %s", bad[i].text, err.msg);
	}
}

static void test_lengths(void **state)
{
	char text[1024], part[PROXY_PART_MAX + 2];
	struct proxy_url url;
	struct err err;

	memset(part, 'a', sizeof(part) - 1);
	part[sizeof(part) - 1] = '\0';
	snprintf(text, sizeof(text), "socks5://%s:%s@h:1", part + 1, part + 1);
	assert_int_equal(proxy_url_parse(text, &url, &err), 0);
	assert_int_equal(strlen(url.user), PROXY_PART_MAX);
	assert_string_equal(url.password, part + 1);
	snprintf(text, sizeof(text), "socks5://me:%s@h:1", part);
	assert_int_equal(proxy_url_parse(text, &url, &err), -1);
	assert_non_null(strstr(err.msg, "can have 255 bytes"));
	snprintf(text, sizeof(text), "socks5://%s%s:1", part, part);
	assert_int_equal(proxy_url_parse(text, &url, &err), -1);
	assert_non_null(strstr(err.msg, "too long"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
