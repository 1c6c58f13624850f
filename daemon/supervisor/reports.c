/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/reports.h"

#include <stdio.h>
#include <string.h>

#include "daemon/supervisor/servers.h"
#include "daemon/supervisor/tunnel_log.h"
#include "lib/util.h"

/* The tunnel an id means. NULL with 0: it is gone, and the worker does not know yet; NULL with -1:
 * the worker never was told of such a tunnel. */
static int find(struct sync *s, const struct worker *w, uint64_t id, struct tunnel **ret,
		struct err *err)
{
	struct tunnel *t = tunnels_find_id(s->tunnels, id);

	*ret = t && t->worker == w ? t : NULL;
	if (id == 0 || id > s->tunnels->last_id || (t && t->worker != w))
		return err_set(err, ERR_PROTOCOL, "it speaks of a tunnel it does not have");
	return 0;
}

/* The same for a forward. Those of departed ids are no longer of interest. */
static int find_forward(struct sync *s, const struct tunnel *t, uint64_t id, struct forward **ret,
			struct err *err)
{
	*ret = tunnel_find_forward(t, id);
	if (id == 0 || id > s->tunnels->last_id)
		return err_set(err, ERR_PROTOCOL, "it speaks of a forward it does not have");
	return 0;
}

/* A name that only ssh could resolve. */
static void explain_name(const struct sync *s, struct err *error)
{
	size_t length = strlen(error->msg);

	if (error->code == ERR_RESOLVE && s->unread)
		snprintf(error->msg + length, sizeof(error->msg) - length,
			 "; ssh is not installed, so %s was not read", s->unread);
}

static int handle_state(struct sync *s, struct worker *w, json_t *message, struct err *err)
{
	struct wire_tunnel_state report;
	struct tunnel *t;
	int rc;

	if (wire_read_tunnel_state(message, &report, err) < 0)
		return -1;
	rc = find(s, w, report.tunnel, &t, err);
	/* Whether a tunnel is stopped is our word; a report of an earlier stop may be late. */
	if (rc == 0 && t && !(report.state == TUNNEL_STOPPED && t->wanted)) {
		explain_name(s, &report.error);
		tunnel_enter(t, &report);
	}
	wire_state_fini(&report);
	return rc;
}

static int handle_route_state(struct sync *s, struct worker *w, json_t *message, struct err *err)
{
	struct wire_route_state report;
	struct server *server;
	struct tunnel *t;

	if (wire_read_route_state(message, &report, err) < 0 ||
	    find(s, w, report.tunnel, &t, err) < 0)
		return -1;
	if (!t || !t->wanted)
		return 0;
	server = servers_enter(t, &report);
	if (server)
		tunnel_log_server(t, server, t->spec->routes[report.route].host);
	return 0;
}

static int handle_forward_state(struct sync *s, struct worker *w, json_t *message, struct err *err)
{
	struct wire_forward_state report;
	struct forward *f;
	struct tunnel *t;

	if (wire_read_forward_state(message, &report, err) < 0 ||
	    find(s, w, report.tunnel, &t, err) < 0)
		return -1;
	if (!t)
		return 0;
	if (find_forward(s, t, report.forward, &f, err) < 0)
		return -1;
	if (f && forward_enter(f, &report))
		tunnel_log_forward(f);
	return 0;
}

static int apply_stats(struct sync *s, struct tunnel *t, const struct wire_stats *stats,
		       struct err *err)
{
	struct forward *f;

	t->counters = stats->counters;
	if (tunnel_state_is_connected(t->state))
		t->rtt_us = stats->rtt_us;
	for (size_t i = 0; i < stats->forward_count; i++) {
		if (find_forward(s, t, stats->forwards[i].forward, &f, err) < 0)
			return -1;
		if (f)
			f->counters = stats->forwards[i].counters;
	}
	return 0;
}

static int handle_stats(struct sync *s, struct worker *w, json_t *message, struct err *err)
{
	struct wire_stats stats;
	struct tunnel *t;
	int rc;

	if (wire_read_stats(message, &stats, err) < 0)
		return -1;
	rc = find(s, w, stats.tunnel, &t, err);
	if (rc == 0 && t)
		rc = apply_stats(s, t, &stats, err);
	wire_stats_fini(&stats);
	return rc;
}

static int handle_forward_removed(struct sync *s, struct worker *w, json_t *message,
				  struct err *err)
{
	uint64_t tunnel, forward;

	if (wire_read_about_forward(message, &tunnel, &forward, err) < 0)
		return -1;
	if (tunnel == 0 || forward == 0)
		return err_set(err, ERR_PROTOCOL, "it speaks of a forward it does not have");
	sync_on_removed(s, w, tunnel, forward);
	return 0;
}

static int handle_tunnel_removed(struct sync *s, struct worker *w, json_t *message, struct err *err)
{
	uint64_t tunnel;

	if (wire_read_about(message, &tunnel, err) < 0)
		return -1;
	if (tunnel == 0)
		return err_set(err, ERR_PROTOCOL, "it speaks of a tunnel it does not have");
	sync_on_removed(s, w, tunnel, 0);
	return 0;
}

static const struct {
	const char *type;
	int (*handle)(struct sync *s, struct worker *w, json_t *message, struct err *err);
} reports[] = {
	{ "state", handle_state },
	{ "route-state", handle_route_state },
	{ "forward-state", handle_forward_state },
	{ "stats", handle_stats },
	{ "forward-removed", handle_forward_removed },
	{ "tunnel-removed", handle_tunnel_removed },
};

int reports_handle(struct sync *s, struct worker *w, const char *type, json_t *message,
		   struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(reports); i++) {
		if (strcmp(type, reports[i].type) == 0)
			return reports[i].handle(s, w, message, err);
	}
	return err_set(err, ERR_PROTOCOL, "a message of an unknown type");
}
