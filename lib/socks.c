/* SPDX-License-Identifier: MIT */
#include "lib/socks.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "lib/util.h"

#define CONNECT 1
#define USER_MAX 255 /* of SOCKS 4, which names no limit */

enum method { METHOD_NONE = 0x00, METHOD_LOGIN = 0x02, METHOD_NOT_ACCEPTABLE = 0xff };
enum address { ADDRESS_IPV4 = 1, ADDRESS_NAME = 3, ADDRESS_IPV6 = 4 };
enum login_reply { LOGIN_GOOD = 0, LOGIN_BAD = 1 };
enum reply_4 { REPLY_4_GRANTED = 0x5a, REPLY_4_REFUSED = 0x5b };
enum reply_5 {
	REPLY_5_GRANTED,
	REPLY_5_FAILURE,
	REPLY_5_NOT_ALLOWED,
	REPLY_5_NETWORK_UNREACHABLE,
	REPLY_5_HOST_UNREACHABLE,
	REPLY_5_REFUSED,
	REPLY_5_EXPIRED, /* "TTL expired": what others answer to a timeout, too */
	REPLY_5_NO_SUCH_COMMAND,
	REPLY_5_NO_SUCH_ADDRESS_TYPE,
};

/* What of SOCKS 5 comes nearest; everything else is a general failure. */
static const struct {
	enum err_code code;
	enum reply_5 reply;
} replies_5[] = {
	{ ERR_REFUSED, REPLY_5_REFUSED },          { ERR_UNREACHABLE, REPLY_5_HOST_UNREACHABLE },
	{ ERR_RESOLVE, REPLY_5_HOST_UNREACHABLE }, { ERR_TARGET, REPLY_5_HOST_UNREACHABLE },
	{ ERR_TIMEOUT, REPLY_5_EXPIRED },          { ERR_PROHIBITED, REPLY_5_NOT_ALLOWED },
	{ ERR_NOT_ALLOWED, REPLY_5_NOT_ALLOWED },
};

/* A message as far as it has come. */
struct message {
	const unsigned char *bytes;
	size_t size, used;
};

/* The next size bytes, NULL: they are not there yet. */
static const unsigned char *next(struct message *m, size_t size)
{
	const unsigned char *bytes = m->bytes + m->used;

	if (m->size - m->used < size)
		return NULL;
	m->used += size;
	return bytes;
}

static uint16_t port_of(const unsigned char *bytes)
{
	return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

/* ---- answers ---- */

static void answer_short(struct socks *s, unsigned version, unsigned what)
{
	s->answer[0] = (unsigned char)version;
	s->answer[1] = (unsigned char)what;
	s->answer_size = 2;
}

/* The address the server bound is not known here; 0.0.0.0:0 says so, as in ssh. */
static void answer_4(struct socks *s, enum reply_4 reply)
{
	memset(s->answer, 0, sizeof(s->answer));
	s->answer[1] = (unsigned char)reply;
	s->answer_size = 8;
}

static void answer_5(struct socks *s, enum reply_5 reply)
{
	memset(s->answer, 0, sizeof(s->answer));
	s->answer[0] = 5;
	s->answer[1] = (unsigned char)reply;
	s->answer[3] = ADDRESS_IPV4;
	s->answer_size = 10;
}

static enum reply_5 reply_5_for(const struct err *why)
{
	if (why->code == ERR_UNREACHABLE && why->sys == ENETUNREACH)
		return REPLY_5_NETWORK_UNREACHABLE;
	for (size_t i = 0; i < ARRAY_SIZE(replies_5); i++) {
		if (replies_5[i].code == why->code)
			return replies_5[i].reply;
	}
	return REPLY_5_FAILURE;
}

void socks_grant(struct socks *s)
{
	if (s->stage == SOCKS_4)
		answer_4(s, REPLY_4_GRANTED);
	else
		answer_5(s, REPLY_5_GRANTED);
}

void socks_refuse(struct socks *s, const struct err *why)
{
	switch (s->stage) {
	case SOCKS_4:
		answer_4(s, REPLY_4_REFUSED);
		break;
	case SOCKS_5_METHODS:
		answer_short(s, 5, METHOD_NOT_ACCEPTABLE);
		break;
	case SOCKS_5_LOGIN:
		answer_short(s, 1, LOGIN_BAD);
		break;
	case SOCKS_5_REQUEST:
		answer_5(s, reply_5_for(why));
		break;
	default:
		s->answer_size = 0;
		break;
	}
}

static enum socks_result refuse(struct socks *s, const struct err *err)
{
	socks_refuse(s, err);
	return SOCKS_REFUSED;
}

static enum socks_result refuse_with(struct socks *s, enum reply_5 reply)
{
	answer_5(s, reply);
	return SOCKS_REFUSED;
}

/* ---- where to ---- */

static enum socks_result take_name(struct socks *s, const unsigned char *name, size_t size,
				   struct err *err)
{
	if (memchr(name, '\0', size)) {
		err_set(err, ERR_PROTOCOL, "the client asks for a host name with a NUL in it");
		return refuse(s, err);
	}
	memcpy(s->host, name, size);
	s->host[size] = '\0';
	if (endpoint_check_host(s->host, err) == 0)
		return SOCKS_REQUEST;
	err->code = ERR_PROTOCOL;
	err_prefix(err, "the client asks for what is no host");
	return refuse(s, err);
}

static enum socks_result take_port(struct socks *s, uint16_t port, struct err *err)
{
	s->port = port;
	if (port > 0)
		return SOCKS_REQUEST;
	err_set(err, ERR_PROTOCOL, "the client asks for port 0");
	return refuse(s, err);
}

/* ---- SOCKS 4 and 4a ---- */

/* The bytes before the next NUL, which is passed; longer than limit: SOCKS_REFUSED. */
static enum socks_result next_text(struct socks *s, struct message *m, size_t limit,
				   const unsigned char **ret, size_t *ret_size, struct err *err)
{
	size_t there = MIN(m->size - m->used, limit + 1);
	const unsigned char *end = memchr(m->bytes + m->used, '\0', there);

	*ret = m->bytes + m->used;
	if (!end && there <= limit)
		return SOCKS_MORE;
	if (!end) {
		err_set(err, ERR_PROTOCOL, "the client's SOCKS 4 text is longer than %zu bytes",
			limit);
		return refuse(s, err);
	}
	*ret_size = (size_t)(end - *ret);
	m->used += *ret_size + 1;
	return SOCKS_ANSWER;
}

static enum socks_result check_command(struct socks *s, unsigned command, struct err *err)
{
	if (command == CONNECT)
		return SOCKS_REQUEST;
	err_set(err, ERR_UNSUPPORTED, "the client asks for SOCKS command %u; only CONNECT is there",
		command);
	return s->stage == SOCKS_4 ? refuse(s, err) : refuse_with(s, REPLY_5_NO_SUCH_COMMAND);
}

/* 0.0.0.x with x not 0 says that a name follows (4a). */
static bool announces_name(const unsigned char *address)
{
	return address[0] == 0 && address[1] == 0 && address[2] == 0 && address[3] != 0;
}

static enum socks_result step_4(struct socks *s, struct message *m, struct err *err)
{
	const unsigned char *command, *port, *address, *text;
	enum socks_result result;
	size_t size = 0;

	next(m, 1);
	if (s->login.user) {
		err_set(err, ERR_NOT_ALLOWED,
			"the client speaks SOCKS 4, which knows no password; use SOCKS 5 or HTTP");
		return refuse(s, err);
	}
	if (!(command = next(m, 1)))
		return SOCKS_MORE;
	if (check_command(s, *command, err) == SOCKS_REFUSED)
		return SOCKS_REFUSED;
	if (!(port = next(m, 2)))
		return SOCKS_MORE;
	if (take_port(s, port_of(port), err) == SOCKS_REFUSED)
		return SOCKS_REFUSED;
	if (!(address = next(m, 4)))
		return SOCKS_MORE;
	result = next_text(s, m, USER_MAX, &text, &size, err);
	if (result != SOCKS_ANSWER)
		return result;
	inet_ntop(AF_INET, address, s->host, sizeof(s->host));
	if (!announces_name(address))
		return SOCKS_REQUEST;
	result = next_text(s, m, ENDPOINT_HOST_MAX, &text, &size, err);
	return result == SOCKS_ANSWER ? take_name(s, text, size, err) : result;
}

/* ---- SOCKS 5 ---- */

static enum socks_result step_methods(struct socks *s, struct message *m, struct err *err)
{
	const unsigned char *count, *methods;
	bool none, login;

	next(m, 1);
	if (!(count = next(m, 1)) || !(methods = next(m, *count)))
		return SOCKS_MORE;
	none = memchr(methods, METHOD_NONE, *count);
	login = memchr(methods, METHOD_LOGIN, *count);
	if (none && !s->login.user) {
		s->stage = SOCKS_5_REQUEST;
		answer_short(s, 5, METHOD_NONE);
		return SOCKS_ANSWER;
	}
	if (login) {
		s->stage = SOCKS_5_LOGIN;
		answer_short(s, 5, METHOD_LOGIN);
		return SOCKS_ANSWER;
	}
	if (s->login.user)
		err_set(err, ERR_NOT_ALLOWED, "the client offers no user and password");
	else
		err_set(err, ERR_UNSUPPORTED,
			"the client offers no SOCKS 5 login but such as are not known here");
	return refuse(s, err);
}

/* Where nobody is asked who he is, any login will do: some clients insist on one. */
static enum socks_result step_login(struct socks *s, struct message *m, struct err *err)
{
	const unsigned char *version, *user_size, *user, *password_size, *password;

	if (!(version = next(m, 1)))
		return SOCKS_MORE;
	if (*version != 1) {
		err_set(err, ERR_PROTOCOL, "the client's login is of version %u, not 1", *version);
		return refuse(s, err);
	}
	if (!(user_size = next(m, 1)) || !(user = next(m, *user_size)) ||
	    !(password_size = next(m, 1)) || !(password = next(m, *password_size)))
		return SOCKS_MORE;
	if (s->login.user && !login_matches(&s->login, (const char *)user, *user_size,
					    (const char *)password, *password_size)) {
		err_set(err, ERR_NOT_ALLOWED, "the client's user or password is wrong");
		return refuse(s, err);
	}
	s->stage = SOCKS_5_REQUEST;
	answer_short(s, 1, LOGIN_GOOD);
	return SOCKS_ANSWER;
}

static enum socks_result step_address(struct socks *s, struct message *m, unsigned type,
				      struct err *err)
{
	const unsigned char *address, *size;

	switch (type) {
	case ADDRESS_IPV4:
		if (!(address = next(m, 4)))
			return SOCKS_MORE;
		inet_ntop(AF_INET, address, s->host, sizeof(s->host));
		return SOCKS_REQUEST;
	case ADDRESS_IPV6:
		if (!(address = next(m, 16)))
			return SOCKS_MORE;
		inet_ntop(AF_INET6, address, s->host, sizeof(s->host));
		return SOCKS_REQUEST;
	case ADDRESS_NAME:
		if (!(size = next(m, 1)) || !(address = next(m, *size)))
			return SOCKS_MORE;
		return take_name(s, address, *size, err);
	default:
		err_set(err, ERR_UNSUPPORTED, "the client asks for an address of type %u", type);
		return refuse_with(s, REPLY_5_NO_SUCH_ADDRESS_TYPE);
	}
}

/* The reserved byte is not looked at: ssh does not either. */
static enum socks_result step_request(struct socks *s, struct message *m, struct err *err)
{
	const unsigned char *version, *command, *type, *port;
	enum socks_result result;

	if (!(version = next(m, 1)))
		return SOCKS_MORE;
	if (*version != 5) {
		err_set(err, ERR_PROTOCOL, "the client changes from SOCKS 5 to %u", *version);
		return refuse(s, err);
	}
	if (!(command = next(m, 1)))
		return SOCKS_MORE;
	if (check_command(s, *command, err) == SOCKS_REFUSED)
		return SOCKS_REFUSED;
	if (!next(m, 1) || !(type = next(m, 1)))
		return SOCKS_MORE;
	result = step_address(s, m, *type, err);
	if (result != SOCKS_REQUEST)
		return result;
	if (!(port = next(m, 2)))
		return SOCKS_MORE;
	return take_port(s, port_of(port), err);
}

static enum socks_result step_version(struct socks *s, struct message *m, struct err *err)
{
	err_set(err, ERR_PROTOCOL, "the client does not speak SOCKS");
	return refuse(s, err);
}

static enum socks_result (*const steps[SOCKS_STAGE_COUNT])(struct socks *s, struct message *m,
							   struct err *err) = {
	[SOCKS_VERSION] = step_version,   [SOCKS_4] = step_4,
	[SOCKS_5_METHODS] = step_methods, [SOCKS_5_LOGIN] = step_login,
	[SOCKS_5_REQUEST] = step_request,
};

void socks_init(struct socks *s, const struct login *login)
{
	*s = (struct socks){ .login = *login };
}

enum socks_result socks_step(struct socks *s, const char *bytes, size_t size, size_t *ret_used,
			     struct err *err)
{
	struct message m = { .bytes = (const unsigned char *)bytes, .size = size };
	enum socks_result result;

	*ret_used = 0;
	if (size == 0)
		return SOCKS_MORE;
	if (s->stage == SOCKS_VERSION && bytes[0] == 4)
		s->stage = SOCKS_4;
	else if (s->stage == SOCKS_VERSION && bytes[0] == 5)
		s->stage = SOCKS_5_METHODS;
	result = steps[s->stage](s, &m, err);
	if (result != SOCKS_MORE)
		*ret_used = m.used;
	return result;
}
