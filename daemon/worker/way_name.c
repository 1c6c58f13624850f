/* SPDX-License-Identifier: MIT */
#include "daemon/worker/way_name.h"

#include <string.h>

#include "lib/endpoint.h"
#include "lib/proxy_command.h"
#include "lib/proxy_url.h"
#include "lib/str.h"

/* Tokens may decide where a command leads. */
static void add_command(struct strbuf *to, const struct connection_settings *c)
{
	struct strv words = { 0 };

	if (proxy_command_words(c, &words) < 0)
		to->failed = true;
	for (size_t i = 0; i < words.count; i++)
		strbuf_addf(to, "%s ", words.items[i]);
	strv_fini(&words);
}

/* Not the login of the proxy, which is a secret. One that cannot be read fails where it is used. */
static void add_proxy(struct strbuf *to, const char *text)
{
	char address[ENDPOINT_TEXT_MAX];
	struct proxy_url url;
	struct err err;

	if (proxy_url_parse(text, &url, &err) < 0)
		return;
	strbuf_addf(to, "%s ", endpoint_format(address, url.host, url.port));
	explicit_bzero(&url, sizeof(url));
}

char *way_name(const char *before, const struct connection_settings *c)
{
	struct strbuf name = { 0 };

	if (before)
		strbuf_addf(&name, "%s ", before);
	else if (c->proxy_command.count > 0)
		add_command(&name, c);
	else if (c->proxy)
		add_proxy(&name, c->proxy);
	strbuf_addf(&name, "%s:%u", c->host, c->port);
	return strbuf_take(&name);
}
