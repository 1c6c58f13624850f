/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/status.h"

#include <stdio.h>
#include <string.h>

#include "daemon/supervisor/systemd.h"
#include "lib/util.h"

#define PAUSE_MS 500

/* The order is what a person wants to know first; the ways to `up` are one word. */
static const struct {
	const char *word;
	enum tunnel_state first, last;
} groups[] = {
	{ "up", TUNNEL_UP, TUNNEL_UP },
	{ "degraded", TUNNEL_DEGRADED, TUNNEL_DEGRADED },
	{ "connecting", TUNNEL_CONNECTING, TUNNEL_OPENING },
	{ "backoff", TUNNEL_BACKOFF, TUNNEL_BACKOFF },
	{ "failed", TUNNEL_FAILED, TUNNEL_FAILED },
	{ "stopped", TUNNEL_STOPPED, TUNNEL_STOPPED },
};

char *status_text(char out[STATUS_TEXT_MAX], const struct tunnels *tunnels)
{
	size_t used = 0;

	for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
		size_t count = 0;

		for (size_t state = groups[i].first; state <= groups[i].last; state++)
			count += tunnels->in_state[state];
		if (count > 0)
			used += (size_t)snprintf(out + used, STATUS_TEXT_MAX - used, "%s%zu %s",
						 used ? ", " : "", count, groups[i].word);
	}
	if (used == 0)
		snprintf(out, STATUS_TEXT_MAX, "no tunnels");
	return out;
}

void status_tell(struct status *status)
{
	char text[STATUS_TEXT_MAX];

	status->is_stale = false;
	if (strcmp(status_text(text, status->tunnels), status->told) == 0)
		return;
	strcpy(status->told, text);
	systemd_status(text);
	loop_timer_set(&status->pause, PAUSE_MS);
}

static void on_event(void *data, struct tunnel *t, enum tunnel_event event)
{
	struct status *status = data;

	if (event == TUNNEL_EV_DETAIL || status->is_stale)
		return;
	status->is_stale = true;
	if (!loop_timer_is_set(&status->pause))
		loop_timer_set(&status->pause, 0); /* after whatever else changes this turn */
}

static void on_pause_over(void *data)
{
	struct status *status = data;

	if (status->is_stale)
		status_tell(status);
}

int status_init(struct status *status, struct loop *loop, struct tunnels *tunnels)
{
	*status = (struct status){ .tunnels = tunnels };
	status->observer = (struct tunnels_observer){ .on_event = on_event, .data = status };
	if (loop_timer_open(&status->pause, loop, on_pause_over, status) < 0)
		return -1;
	tunnels_observe(tunnels, &status->observer);
	return 0;
}

void status_fini(struct status *status)
{
	if (status->observer.on_event)
		list_remove(&status->observer.link);
	loop_timer_close(&status->pause);
}
