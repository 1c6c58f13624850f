/* SPDX-License-Identifier: MIT */
/*
 * Every stage waits for one answer. A SOCKS answer is judged byte by byte, in the order in which it
 * comes: a proxy that refuses need not send the rest, and what is no SOCKS at all is seen by its first
 * byte.
 */
#include "lib/proxy_client.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "lib/base64.h"
#include "lib/util.h"

enum {
	CONNECT = 1,
	METHOD_NONE = 0,
	METHOD_LOGIN = 2,
	METHOD_NOT_ACCEPTABLE = 0xff,
	ADDRESS_IPV4 = 1,
	ADDRESS_NAME = 3,
	ADDRESS_IPV6 = 4,
	ANSWER_MAX = 4 + 1 + 255 + 2, /* bytes of a SOCKS answer */
	HEAD_MAX = 16 * 1024, /* bytes of HTTP's */
	INTERIMS_MAX = 16, /* "100 Continue" and the like */
	REPLY_4_SIZE = 8,
};

/* An answer as far as it has come. */
struct message {
	const unsigned char *bytes;
	size_t size, used;
	bool is_short; /* it has to be longer */
};

/* The next size bytes, NULL: they are not there yet. */
static const unsigned char *next(struct message *m, size_t size)
{
	const unsigned char *bytes = m->bytes + m->used;

	if (m->size - m->used < size) {
		m->is_short = true;
		return NULL;
	}
	m->used += size;
	return bytes;
}

/* What the proxy said instead, for a person to recognize. */
static enum proxy_client_result not_a_proxy(const struct proxy_client *c, const struct message *m,
					    struct err *err)
{
	char said[80];

	str_escape(said, sizeof(said), (const char *)m->bytes, MIN(m->size, (size_t)40));
	err_set(err, ERR_PROTOCOL, "it does not speak %s; it said '%s'",
		proxy_kind_name(c->url->kind), said);
	return PROXY_CLIENT_FAILED;
}

static enum proxy_client_result refuse(struct err *err, enum err_code code, const char *what)
{
	err_set(err, code, "%s", what);
	return PROXY_CLIENT_FAILED;
}

static const char *target(const struct proxy_client *c, char out[ENDPOINT_TEXT_MAX])
{
	return endpoint_format(out, c->host, c->port);
}

/* ---- what is sent ---- */

static void add_byte(struct strbuf *b, unsigned byte)
{
	char c = (char)byte;

	strbuf_add_bytes(b, &c, 1);
}

static void add_port(struct strbuf *b, uint16_t port)
{
	add_byte(b, port >> 8);
	add_byte(b, port & 0xff);
}

static void add_sized(struct strbuf *b, const char *text)
{
	add_byte(b, (unsigned)strlen(text));
	strbuf_add(b, text);
}

static int greet_4(struct proxy_client *c, struct err *err)
{
	unsigned char address[4] = { 0, 0, 0, 1 }; /* 0.0.0.x: a name follows (4a) */
	bool has_name = inet_pton(AF_INET, c->host, address) != 1;

	if (endpoint_is_ipv6(c->host) || (has_name && c->url->kind == PROXY_SOCKS4))
		return err_set(
			err, ERR_UNSUPPORTED,
			"SOCKS4 reaches IPv4 addresses only, not %s; use a socks5:// or http:// "
			"proxy",
			c->host);
	if (has_name)
		memcpy(address, (unsigned char[]){ 0, 0, 0, 1 }, 4);
	add_byte(&c->out, 4);
	add_byte(&c->out, CONNECT);
	add_port(&c->out, c->port);
	strbuf_add_bytes(&c->out, (const char *)address, 4);
	strbuf_add_bytes(&c->out, c->url->user, strlen(c->url->user) + 1);
	if (has_name)
		strbuf_add_bytes(&c->out, c->host, strlen(c->host) + 1);
	return 0;
}

static void greet_5(struct proxy_client *c)
{
	bool has_login = c->url->user[0];

	add_byte(&c->out, 5);
	add_byte(&c->out, has_login ? 2 : 1);
	add_byte(&c->out, METHOD_NONE);
	if (has_login)
		add_byte(&c->out, METHOD_LOGIN);
}

static void log_in_5(struct proxy_client *c)
{
	add_byte(&c->out, 1); /* the version of RFC 1929 */
	add_sized(&c->out, c->url->user);
	add_sized(&c->out, c->url->password);
}

static void request_5(struct proxy_client *c)
{
	unsigned char address[16];

	strbuf_add_bytes(&c->out, "\5\1\0", 3);
	if (inet_pton(AF_INET, c->host, address) == 1) {
		add_byte(&c->out, ADDRESS_IPV4);
		strbuf_add_bytes(&c->out, (const char *)address, 4);
	} else if (inet_pton(AF_INET6, c->host, address) == 1) {
		add_byte(&c->out, ADDRESS_IPV6);
		strbuf_add_bytes(&c->out, (const char *)address, 16);
	} else {
		add_byte(&c->out, ADDRESS_NAME);
		add_sized(&c->out, c->host);
	}
	add_port(&c->out, c->port);
}

/* RFC 7617 */
static void add_basic(struct strbuf *b, const struct proxy_url *url)
{
	char login[2 * PROXY_PART_MAX + 2];
	char *text;

	snprintf(login, sizeof(login), "%s:%s", url->user, url->password);
	text = base64_encode(login, strlen(login));
	strbuf_addf(b, "Proxy-Authorization: Basic %s\r\n", text ? text : "");
	b->failed |= !text;
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
	explicit_bzero(login, sizeof(login));
}

static void request_http(struct proxy_client *c)
{
	char where[ENDPOINT_TEXT_MAX];

	target(c, where);
	strbuf_addf(&c->out, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n", where, where);
	if (c->url->user[0])
		add_basic(&c->out, c->url);
	strbuf_add(&c->out, "\r\n");
}

static enum proxy_client_result send_next(struct proxy_client *c,
					  enum proxy_client_stage next_stage, struct err *err)
{
	c->stage = next_stage;
	if (!c->out.failed)
		return PROXY_CLIENT_SEND;
	err_nomem(err);
	return PROXY_CLIENT_FAILED;
}

/* ---- SOCKS 4 ---- */

static enum proxy_client_result step_4(struct proxy_client *c, struct message *m, struct err *err)
{
	const unsigned char *version = next(m, 1), *reply;

	if (!version)
		return PROXY_CLIENT_MORE;
	if (*version != 0 && *version != 4) /* some answer with their own version */
		return not_a_proxy(c, m, err);
	reply = next(m, 1);
	if (!reply)
		return PROXY_CLIENT_MORE;
	switch (*reply) {
	case 90:
		return next(m, REPLY_4_SIZE - 2) ? PROXY_CLIENT_DONE : PROXY_CLIENT_MORE;
	case 91:
		return refuse(err, ERR_NETWORK,
			      "refused, or it cannot get there (SOCKS4 says no more)");
	case 92:
	case 93:
		return refuse(err, ERR_PROXY_AUTH,
			      "it wants to know who we are by ident (RFC 1413), or another user");
	default:
		return not_a_proxy(c, m, err);
	}
}

/* ---- SOCKS 5 ---- */

static enum proxy_client_result step_method(struct proxy_client *c, struct message *m,
					    struct err *err)
{
	const unsigned char *version = next(m, 1), *method;

	if (!version)
		return PROXY_CLIENT_MORE;
	if (*version != 5)
		return not_a_proxy(c, m, err);
	method = next(m, 1);
	if (!method)
		return PROXY_CLIENT_MORE;
	if (*method == METHOD_NONE) {
		request_5(c);
		return send_next(c, PROXY_CLIENT_5_REPLY, err);
	}
	if (*method == METHOD_LOGIN && c->url->user[0]) {
		log_in_5(c);
		return send_next(c, PROXY_CLIENT_5_LOGIN, err);
	}
	if (*method != METHOD_NOT_ACCEPTABLE)
		return not_a_proxy(c, m, err);
	return refuse(
		err, ERR_PROXY_AUTH,
		c->url->user[0]
			? "it lets nobody log in with a user and a password"
			: "it wants to know who we are; write socks5://user:password@host:port");
}

static enum proxy_client_result step_login(struct proxy_client *c, struct message *m,
					   struct err *err)
{
	const unsigned char *answer = next(m, 2);
	char user[80];

	if (!answer)
		return PROXY_CLIENT_MORE;
	if (answer[1] == 0) {
		request_5(c);
		return send_next(c, PROXY_CLIENT_5_REPLY, err);
	}
	str_escape(user, sizeof(user), c->url->user, strlen(c->url->user));
	err_set(err, ERR_PROXY_AUTH, "it does not accept user '%s' with this password", user);
	return PROXY_CLIENT_FAILED;
}

static const struct {
	enum err_code code;
	const char *what;
} replies_5[] = {
	[1] = { ERR_NETWORK, "it failed (SOCKS5 says no more)" },
	[2] = { ERR_PROXY_DENIED, "its rules do not let us go there" },
	[3] = { ERR_UNREACHABLE, "it cannot reach that network" },
	[4] = { ERR_UNREACHABLE, "it cannot reach that host" },
	[5] = { ERR_REFUSED, "the connection was refused there" },
	[6] = { ERR_TIMEOUT, "that host does not answer it" },
	[7] = { ERR_UNSUPPORTED, "it makes no connections for its clients" },
	[8] = { ERR_UNSUPPORTED, "it does not take this kind of address" },
};

/* The address it bound is of no use to us, but has to be passed. */
static bool skip_address(struct message *m)
{
	const unsigned char *type, *size;

	if (!next(m, 1) || !(type = next(m, 1)))
		return true;
	switch (*type) {
	case ADDRESS_IPV4:
		next(m, 4 + 2);
		return true;
	case ADDRESS_IPV6:
		next(m, 16 + 2);
		return true;
	case ADDRESS_NAME:
		if ((size = next(m, 1)))
			next(m, (size_t)*size + 2);
		return true;
	default:
		return false;
	}
}

static enum proxy_client_result step_reply(struct proxy_client *c, struct message *m,
					   struct err *err)
{
	const unsigned char *version = next(m, 1), *reply;
	char where[ENDPOINT_TEXT_MAX];

	if (!version)
		return PROXY_CLIENT_MORE;
	if (*version != 5)
		return not_a_proxy(c, m, err);
	reply = next(m, 1);
	if (!reply)
		return PROXY_CLIENT_MORE;
	if (*reply == 0) {
		if (!skip_address(m))
			return not_a_proxy(c, m, err);
		return m->is_short ? PROXY_CLIENT_MORE : PROXY_CLIENT_DONE;
	}
	if (*reply >= ARRAY_SIZE(replies_5))
		return not_a_proxy(c, m, err);
	err_set(err, replies_5[*reply].code, "%s: %s", target(c, where), replies_5[*reply].what);
	return PROXY_CLIENT_FAILED;
}

/* ---- HTTP ---- */

static const struct {
	unsigned status;
	enum err_code code;
	const char *what;
} statuses[] = {
	{ 401, ERR_PROXY_AUTH, "it wants to know who we are" },
	{ 403, ERR_PROXY_DENIED, "its rules do not let us go there" },
	{ 404, ERR_UNREACHABLE, "it does not find that host" },
	{ 405, ERR_PROXY_DENIED, "it makes no CONNECT" },
	{ 501, ERR_UNSUPPORTED, "it makes no CONNECT" },
	{ 502, ERR_UNREACHABLE, "it cannot reach that host" },
	{ 503, ERR_UNREACHABLE, "it cannot reach that host" },
	{ 504, ERR_TIMEOUT, "that host does not answer it" },
};

/* "HTTP/1.1 200 ..."; the status, 0: it is none. */
static unsigned status_of(const char *line, size_t size)
{
	static const char version[] = "HTTP/1.";
	const char *code = line + sizeof(version) + 1; /* a digit and a blank after it */
	unsigned status = 0;

	if (size < sizeof(version) + 4 || memcmp(line, version, sizeof(version) - 1) != 0 ||
	    code[-1] != ' ')
		return 0;
	for (size_t i = 0; i < 3; i++) {
		if (code[i] < '0' || code[i] > '9')
			return 0;
		status = status * 10 + (unsigned)(code[i] - '0');
	}
	return status;
}

static enum proxy_client_result refuse_login(const struct proxy_client *c, const char *shown,
					     struct err *err)
{
	char user[80];

	str_escape(user, sizeof(user), c->url->user, strlen(c->url->user));
	if (*user)
		err_set(err, ERR_PROXY_AUTH,
			"it does not accept user '%s' with this password, or no Basic login at "
			"all ('%s')",
			user, shown);
	else
		err_set(err, ERR_PROXY_AUTH,
			"it wants to know who we are ('%s'); write http://user:password@host:port",
			shown);
	return PROXY_CLIENT_FAILED;
}

static enum proxy_client_result judge_status(const struct proxy_client *c, const char *line,
					     size_t size, struct err *err)
{
	unsigned status = status_of(line, size);
	char shown[120], where[ENDPOINT_TEXT_MAX];

	str_escape(shown, sizeof(shown), line, MIN(size, (size_t)100));
	if (status == 407)
		return refuse_login(c, shown, err);
	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
		if (statuses[i].status != status)
			continue;
		err_set(err, statuses[i].code, "%s: %s ('%s')", target(c, where), statuses[i].what,
			shown);
		return PROXY_CLIENT_FAILED;
	}
	err_set(err, ERR_NETWORK, "%s: it said '%s'", target(c, where), shown);
	return PROXY_CLIENT_FAILED;
}

/* A head is complete. Interim ones are passed over; a body after a consent does not exist. */
static enum proxy_client_result judge_head(struct proxy_client *c, struct err *err)
{
	const char *line = buffer_bytes(&c->in) + c->scan.first_start;
	unsigned status = status_of(line, c->scan.first_size);

	if (status >= 200 && status < 300)
		return PROXY_CLIENT_DONE;
	if (status < 100 || status > 199 || status == 101)
		return judge_status(c, line, c->scan.first_size, err);
	if (++c->interims > INTERIMS_MAX)
		return refuse(err, ERR_PROTOCOL, "its answer has no end");
	buffer_drop(&c->in, c->in.size);
	c->scan = (struct http_scan){ .is_lenient = true };
	return PROXY_CLIENT_MORE;
}

static bool may_be_http(const struct buffer *in)
{
	static const char start[] = "HTTP/1.";

	return memcmp(buffer_bytes(in), start, MIN(in->size, sizeof(start) - 1)) == 0;
}

/* At most a line is added at a time, so that nothing beyond the head is taken. */
static enum proxy_client_result take_portion(struct proxy_client *c, struct message *m,
					     struct err *err)
{
	const char *bytes = (const char *)m->bytes + m->used;
	const char *end = memchr(bytes, '\n', m->size - m->used);
	size_t portion = end ? (size_t)(end - bytes) + 1 : m->size - m->used, room;
	char *to = buffer_room(&c->in, HEAD_MAX, &room);

	if (!to && room > 0) {
		err_nomem(err);
		return PROXY_CLIENT_FAILED;
	}
	if (portion > room)
		return refuse(err, ERR_PROTOCOL, "its answer has no end");
	memcpy(to, bytes, portion);
	buffer_grow(&c->in, portion);
	m->used += portion;
	if (!may_be_http(&c->in))
		return not_a_proxy(c, m, err);
	if (http_scan(&c->scan, buffer_bytes(&c->in), c->in.size) == HTTP_SCAN_END)
		return judge_head(c, err);
	return PROXY_CLIENT_MORE;
}

static enum proxy_client_result step_http(struct proxy_client *c, struct message *m,
					  struct err *err)
{
	enum proxy_client_result result = PROXY_CLIENT_MORE;

	while (result == PROXY_CLIENT_MORE && m->used < m->size)
		result = take_portion(c, m, err);
	return result;
}

static enum proxy_client_result (*const steps[PROXY_CLIENT_STAGE_COUNT])(struct proxy_client *c,
									 struct message *m,
									 struct err *err) = {
	[PROXY_CLIENT_4] = step_4,           [PROXY_CLIENT_5_METHOD] = step_method,
	[PROXY_CLIENT_5_LOGIN] = step_login, [PROXY_CLIENT_5_REPLY] = step_reply,
	[PROXY_CLIENT_HTTP] = step_http,
};

/* A SOCKS answer is short and of known length: what has come of it is kept until the rest is there.
 */
static enum proxy_client_result step_socks(struct proxy_client *c, const char *bytes, size_t size,
					   size_t *ret_used, struct err *err)
{
	size_t before = c->in.size, portion = MIN(size, ANSWER_MAX - before);
	enum proxy_client_result result;
	struct message m;

	if (buffer_add(&c->in, bytes, portion) < 0) {
		err_nomem(err);
		return PROXY_CLIENT_FAILED;
	}
	m = (struct message){ .bytes = (const unsigned char *)buffer_bytes(&c->in),
			      .size = c->in.size };
	result = steps[c->stage](c, &m, err);
	*ret_used = result == PROXY_CLIENT_MORE ? portion : m.used - MIN(before, m.used);
	if (result != PROXY_CLIENT_MORE)
		buffer_drop(&c->in, c->in.size);
	return result;
}

enum proxy_client_result proxy_client_step(struct proxy_client *c, const char *bytes, size_t size,
					   size_t *ret_used, struct err *err)
{
	struct message m = { .bytes = (const unsigned char *)bytes, .size = size };
	enum proxy_client_result result;

	*ret_used = 0;
	if (size == 0)
		return PROXY_CLIENT_MORE;
	if (c->stage != PROXY_CLIENT_HTTP)
		return step_socks(c, bytes, size, ret_used, err);
	result = step_http(c, &m, err);
	*ret_used = m.used;
	return result;
}

void proxy_client_ended(const struct proxy_client *c, struct err *err)
{
	if (c->stage == PROXY_CLIENT_5_LOGIN)
		err_set(err, ERR_LOST,
			"it closed the connection after the login; are user and password right?");
	else if (c->in.size > 0)
		err_set(err, ERR_LOST, "it closed the connection in the middle of its answer");
	else
		err_set(err, ERR_LOST, "it closed the connection without an answer");
}

void proxy_client_sent(struct proxy_client *c)
{
	if (c->out.data)
		explicit_bzero(c->out.data, c->out.capacity);
	c->out.length = 0;
}

int proxy_client_init(struct proxy_client *c, const struct proxy_url *url, const char *host,
		      uint16_t port, struct err *err)
{
	*c = (struct proxy_client){ .url = url, .port = port, .scan.is_lenient = true };
	snprintf(c->host, sizeof(c->host), "%s", host);
	switch (url->kind) {
	case PROXY_SOCKS4:
	case PROXY_SOCKS4A:
		c->stage = PROXY_CLIENT_4;
		if (greet_4(c, err) < 0)
			return -1;
		break;
	case PROXY_SOCKS5:
		c->stage = PROXY_CLIENT_5_METHOD;
		greet_5(c);
		break;
	default:
		c->stage = PROXY_CLIENT_HTTP;
		request_http(c);
		break;
	}
	return c->out.failed ? err_nomem(err) : 0;
}

void proxy_client_fini(struct proxy_client *c)
{
	proxy_client_sent(c);
	strbuf_fini(&c->out);
	buffer_fini(&c->in);
}
