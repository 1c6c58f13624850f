/* SPDX-License-Identifier: MIT */
/*
 * One plain request and its response, over a server connection of their own. Both bodies pass as
 * they are; only where they end is followed. A response that breaks off is never made to look
 * complete: before its head has gone out it becomes a 502, after that the client is reset.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/worker/proxy_parts.h"
#include "daemon/worker/local_socket.h"
#include "lib/http_response.h"
#include "lib/util.h"

void proxy_exchange_close(struct proxy *p, bool reset)
{
	struct exchange *x = &p->exchange;

	if (x->fd < 0)
		return;
	loop_io_close(&x->io);
	if (reset)
		local_socket_reset(x->fd);
	else
		close(x->fd);
	x->fd = -1;
}

/* Each end_...() says that there is nothing more to do. */
static bool end_broken(struct proxy *p, const struct err *err)
{
	proxy_finish(p, true, err);
	return false;
}

/* The server is to blame, and the client can still be told. */
static bool end_bad_gateway(struct proxy *p, const struct err *err)
{
	proxy_exchange_close(p, true);
	buffer_fini(&p->down.bytes);
	p->request.status = 502;
	proxy_reject(p, err);
	return false;
}

static bool end_failed(struct proxy *p, struct err *err)
{
	char where[ENDPOINT_TEXT_MAX];

	err_prefix(err, "%s", endpoint_format(where, p->request.host, p->request.port));
	return p->exchange.has_head ? end_broken(p, err) : end_bad_gateway(p, err);
}

/* ---- the request ---- */

/* Says how much of what the client has sent belongs to this request. */
static bool clear_request(struct proxy *p)
{
	struct flow *up = &p->up;
	struct err err;
	ssize_t n;

	if (p->exchange.is_stream) {
		up->cleared = up->bytes.size;
		return true;
	}
	n = http_body_take(&p->request.body, buffer_bytes(&up->bytes) + up->cleared,
			   up->bytes.size - up->cleared, &err);
	if (n < 0) {
		if (p->exchange.has_head)
			return end_broken(p, &err);
		proxy_exchange_close(p, true);
		p->request.status = 400;
		proxy_reject(p, &err);
		return false;
	}
	up->cleared += (size_t)n;
	if (!up->eof || p->request.body.is_over)
		return true;
	err_set(&err, ERR_LOST, "the client left in the middle of its request");
	return end_broken(p, &err);
}

/* A server that has heard enough may still be about to say why. */
static void send_request(struct proxy *p)
{
	struct exchange *x = &p->exchange;

	if (!x->is_deaf && !p->up.full && flow_write(&p->up, x->fd) < 0)
		x->is_deaf = true;
	if (x->is_deaf)
		flow_drop(&p->up);
}

/* ---- the response ---- */

static const char *say_connection(const struct proxy *p)
{
	if (p->exchange.is_stream)
		return NULL;
	if (!p->exchange.keeps_alive)
		return "close";
	return p->request.minor == 0 ? "keep-alive" : NULL;
}

static bool take_interim(struct proxy *p, const struct http_response *r)
{
	struct strbuf head = { 0 };

	if (p->request.minor == 0) /* HTTP/1.0 knows none */
		return true;
	http_response_write(r, NULL, &head);
	return flow_add_text(&p->down, &head) == 0;
}

static bool take_final(struct proxy *p, const struct http_response *r)
{
	struct exchange *x = &p->exchange;
	enum http_body_kind kind = http_response_body(r, p->request.is_head);
	struct strbuf head = { 0 };

	x->has_head = true;
	x->is_stream = r->is_switch;
	http_body_init(&x->body, r->is_switch ? HTTP_BODY_UNTIL_END : kind, r->framing.length);
	x->keeps_alive = p->request.keeps_alive && p->request.body.is_over && !p->up.eof &&
			 kind != HTTP_BODY_UNTIL_END;
	http_response_write(r, say_connection(p), &head);
	return flow_add_text(&p->down, &head) == 0;
}

/* A whole head has come. */
static bool take_head(struct proxy *p)
{
	struct exchange *x = &p->exchange;
	struct http_response r;
	struct err err;
	bool done;

	if (http_response_parse(&r, buffer_bytes(&p->down.bytes), &x->scan, &err) < 0)
		return end_failed(p, &err);
	if (r.is_switch && (!p->request.is_upgrade || !p->request.body.is_over)) {
		err_set(&err, ERR_PROTOCOL, "the server changes the protocol unasked");
		return end_failed(p, &err);
	}
	done = r.is_interim ? take_interim(p, &r) : take_final(p, &r);
	buffer_drop(&p->down.bytes, x->scan.size);
	x->scan = (struct http_scan){ .is_lenient = true };
	return done || end_broken(p, NULL);
}

/* Reads heads until the final one; the next only when the client has taken the last. */
static bool find_head(struct proxy *p)
{
	struct exchange *x = &p->exchange;
	struct err err;

	while (!x->has_head && p->down.text.size == 0) {
		switch (http_scan(&x->scan, buffer_bytes(&p->down.bytes), p->down.bytes.size)) {
		case HTTP_SCAN_LINE:
			continue;
		case HTTP_SCAN_END:
			if (!take_head(p))
				return false;
			continue;
		case HTTP_SCAN_MORE:
			if (!p->down.eof)
				return true;
			err_set(&err, ERR_LOST,
				"the server closed the connection without an answer");
			return end_failed(p, &err);
		default:
			err_set(&err, ERR_PROTOCOL, "the head of the answer is too long");
			return end_failed(p, &err);
		}
	}
	return true;
}

static bool clear_response(struct proxy *p)
{
	struct flow *down = &p->down;
	struct err err;
	ssize_t n;

	if (!p->exchange.has_head)
		return true;
	n = http_body_take(&p->exchange.body, buffer_bytes(&down->bytes) + down->cleared,
			   down->bytes.size - down->cleared, &err);
	if (n < 0)
		return end_failed(p, &err);
	down->cleared += (size_t)n;
	return true;
}

/* Interim heads follow each other as fast as the client takes them. */
static bool send_response(struct proxy *p)
{
	bool had_text;

	do {
		if (!find_head(p) || !clear_response(p))
			return false;
		had_text = p->down.text.size > 0;
		if (!p->down.full && flow_write(&p->down, p->fd) < 0)
			return end_broken(p, NULL);
	} while (had_text && p->down.text.size == 0 && !p->exchange.has_head);
	return true;
}

/* ---- both ---- */

static bool pass_end(struct flow *f, int to, bool *ended)
{
	if (f->eof && flow_is_clear(f) && !*ended) {
		*ended = true;
		shutdown(to, SHUT_WR);
	}
	return *ended;
}

static bool end_stream(struct proxy *p)
{
	struct exchange *x = &p->exchange;
	bool server_ended = p->down.eof && flow_is_clear(&p->down);
	bool up_ended, down_ended;

	if (x->is_cut && server_ended)
		return end_broken(p, NULL);
	up_ended = pass_end(&p->up, x->fd, &x->up_ended);
	down_ended = pass_end(&p->down, p->fd, &x->down_ended);
	if (!down_ended || !(up_ended || x->is_deaf))
		return true;
	proxy_finish(p, false, NULL);
	return false;
}

/* True: it goes on. */
static bool check_end(struct proxy *p)
{
	struct exchange *x = &p->exchange;
	struct err err;

	if (x->is_stream)
		return end_stream(p);
	if (!x->has_head || !flow_is_clear(&p->down))
		return true;
	if (p->down.eof && (x->is_cut ? !x->body.is_over : http_body_end(&x->body) < 0)) {
		err_set(&err, ERR_LOST, "the server broke off in the middle of its answer");
		return end_failed(p, &err);
	}
	if (!x->body.is_over)
		return true;
	proxy_exchange_close(p, false);
	flow_fini(&p->down);
	flow_drop(&p->up); /* a server need not have read all of the request */
	if (x->keeps_alive)
		proxy_listen_again(p);
	else
		proxy_part(p);
	return false;
}

/* While a head is looked for, all of one must fit; bytes of bodies are not read in dribs. */
static bool has_room(const struct flow *f, bool needs_head)
{
	return !f->eof && f->bytes.size < (needs_head ? FLOW_SIZE : FLOW_SIZE / 2);
}

static void want_more(struct proxy *p)
{
	struct exchange *x = &p->exchange;
	unsigned client = p->down.full ? LOOP_WRITE : 0;
	unsigned server = p->up.full ? LOOP_WRITE : 0;

	if (has_room(&p->up, false))
		client |= LOOP_READ;
	if (has_room(&p->down, !x->has_head))
		server |= LOOP_READ;
	proxy_want(p, client);
	loop_io_want(&x->io, server);
}

void proxy_exchange_step(struct proxy *p)
{
	if (!clear_request(p))
		return;
	send_request(p);
	if (send_response(p) && check_end(p))
		want_more(p);
}

static bool is_pair(int fd)
{
	socklen_t size = sizeof(int);
	int domain = 0;

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX;
}

/* The server was closed with something unread. That is no news when all that was wanted of it has come,
 * or when it reads no more; and of a pair the owner knows what the end means. */
static bool is_only_the_end(const struct exchange *x, int sys)
{
	return sys == ECONNRESET &&
	       ((x->has_head && x->body.is_over) || (x->is_stream && x->is_deaf) || is_pair(x->fd));
}

static void on_server(void *data, unsigned ready)
{
	struct proxy *p = data;
	struct err err;

	if (ready & LOOP_WRITE)
		p->up.full = false;
	if (ready & LOOP_READ && flow_read(&p->down, p->exchange.fd, FLOW_SIZE) < 0) {
		if (!is_only_the_end(&p->exchange, errno)) {
			err_set(&err, ERR_LOST, "the server reset the connection");
			end_failed(p, &err);
			return;
		}
		p->down.eof = true;
	}
	proxy_exchange_step(p);
}

int proxy_exchange_start(struct proxy *p, int fd)
{
	struct exchange *x = &p->exchange;

	*x = (struct exchange){ .fd = -1, .scan.is_lenient = true };
	if (loop_io_open(&x->io, p->set.loop, fd, 0, on_server, p) < 0)
		return -1;
	x->fd = fd;
	proxy_exchange_step(p);
	return 0;
}
