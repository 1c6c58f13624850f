/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/tunnel_log.h"

#include "daemon/common/log.h"
#include "lib/util.h"

#define REPEATS_SAID 3

/* FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv/ */
static unsigned hash(const char *text)
{
	unsigned h = 2166136261U;

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 16777619U;
	return h;
}

static const char *reason(const struct tunnel *t)
{
	return t->error ? t->error->msg : "no reason was given";
}

static const char *slug(const struct tunnel *t)
{
	return err_slug(t->error ? t->error->code : ERR_INTERNAL);
}

static bool is_worth_saying(struct tunnel *t)
{
	unsigned h = t->error ? hash(t->error->msg) : 0;

	t->said_times = h == t->said_hash ? t->said_times + 1 : 1;
	t->said_hash = h;
	return t->said_times <= REPEATS_SAID || (t->said_times & (t->said_times - 1)) == 0;
}

/* "; attempt 3, again in 1.5 s"; a session that breaks was no attempt. */
static char *retry_text(char *out, size_t size, const struct tunnel *t)
{
	uint64_t now = monotonic_ms();
	unsigned wait_ms = t->retry_at_ms > now ? (unsigned)(t->retry_at_ms - now) : 0;
	char attempt[32] = "";

	if (t->attempt > 0)
		snprintf(attempt, sizeof(attempt), " attempt %u,", t->attempt);
	if (wait_ms < 100)
		snprintf(out, size, "%s again at once", attempt);
	else
		snprintf(out, size, "%s again in %u.%u s", attempt, wait_ms / 1000,
			 wait_ms % 1000 / 100);
	return out;
}

static void log_backoff(struct tunnel *t)
{
	char retry[64];

	if (t->error && t->error->code == ERR_WORKER)
		return; /* said once by workers.c, not by each of its tunnels */
	if (!is_worth_saying(t))
		return;
	log_warning("%s: backoff: %s [%s];%s%s", t->name, reason(t), slug(t),
		    retry_text(retry, sizeof(retry), t),
		    t->said_times == REPEATS_SAID ? " (said less often from now on)" : "");
}

static void log_up(struct tunnel *t)
{
	t->said_hash = t->said_times = 0;
	if (t->session)
		log_info("%s: up, %s as %s, %s", t->name, t->session->address,
			 tunnel_server(t)->user, t->session->cipher);
	else
		log_info("%s: up", t->name);
}

void tunnel_log_event(void *data, struct tunnel *t, enum tunnel_event event)
{
	if (event == TUNNEL_EV_REMOVED)
		log_info("%s: removed", t->name);
	if (event != TUNNEL_EV_STATE)
		return;
	switch (t->state) {
	case TUNNEL_UP:
		log_up(t);
		break;
	case TUNNEL_BACKOFF:
		log_backoff(t);
		break;
	case TUNNEL_DEGRADED:
		log_warning("%s: degraded: %s [%s]", t->name, reason(t), slug(t));
		break;
	case TUNNEL_FAILED:
		log_error("%s: failed: %s [%s]", t->name, reason(t), slug(t));
		break;
	case TUNNEL_STOPPED:
		log_info("%s: stopped", t->name);
		break;
	default:
		log_debug("%s: %s", t->name, tunnel_state_name(t->state));
		break;
	}
}

/* Whether the reason is another one than what was said last; retries repeat themselves. */
static bool is_other(const struct err *error, unsigned *said_hash)
{
	unsigned h = error ? hash(error->msg) : 0;
	bool is_other = h != *said_hash;

	*said_hash = h;
	return is_other;
}

static bool is_news(struct forward *f)
{
	return is_other(f->error, &f->said_hash);
}

void tunnel_log_server(const struct tunnel *t, struct server *s, const char *host)
{
	switch (s->state) {
	case ROUTE_DOWN:
		if (is_other(s->error, &s->said_hash) && s->error)
			log_warning("%s: server '%s' does not work: %s [%s]", t->name, host,
				    s->error->msg, err_slug(s->error->code));
		break;
	case ROUTE_FAILED:
		if (is_other(s->error, &s->said_hash) && s->error)
			log_error("%s: server '%s' is not tried again before 'tunctl up': %s [%s]",
				  t->name, host, s->error->msg, err_slug(s->error->code));
		break;
	case ROUTE_STANDBY:
		log_info("%s: server '%s' works; it is used as soon as no connection is open",
			 t->name, host);
		break;
	case ROUTE_UP:
		s->said_hash = 0;
		break;
	default:
		break;
	}
}

static void log_open_remote(struct forward *f)
{
	bool has_failed = f->said_hash != 0;
	struct config_end end = f->spec->listen;
	char text[CONFIG_END_TEXT_MAX];

	is_news(f);
	if (f->port)
		end.port = f->port;
	config_end_text(text, sizeof(text), &end, f->spec->port_count);
	if (has_failed)
		log_info("%s: forward '%s' works again: the server listens on %s", f->tunnel->name,
			 f->spec->name, text);
	else if (f->said_port != f->bound_port)
		log_info("%s: forward '%s': the server listens on %s", f->tunnel->name,
			 f->spec->name, text);
	f->said_port = f->bound_port;
}

static void log_remote(struct forward *f)
{
	if (f->state == FORWARD_OPEN)
		log_open_remote(f);
	else if (f->state == FORWARD_FAILED && is_news(f) && f->error)
		log_warning("%s: forward '%s': %s [%s]", f->tunnel->name, f->spec->name,
			    f->error->msg, err_slug(f->error->code));
}

void tunnel_log_forward(struct forward *f)
{
	if (f->error && f->error->code == ERR_TARGET)
		log_warning("%s: %s [%s]", f->tunnel->name, f->error->msg,
			    err_slug(f->error->code));
	else if (f->spec->type == FORWARD_REMOTE)
		log_remote(f);
}
