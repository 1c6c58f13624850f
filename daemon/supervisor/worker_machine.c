/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/worker_machine.h"

#include "lib/util.h"

/* Between two looks at the clock; more means that nobody could have heard anything meanwhile. */
#define LOOK_GAP_MS (2 * WORKER_PING_MS)

static const struct {
	const char *name;
	bool has_process;
	unsigned limit_ms; /* until WORKER_EV_DEADLINE; 0: none, or computed */
} states[WORKER_STATE_COUNT] = {
	[WORKER_NEW] = { "new", false, 0 },
	[WORKER_STARTING] = { "starting", true, WORKER_SILENCE_MS },
	[WORKER_RUNNING] = { "running", true, WORKER_SILENCE_MS },
	[WORKER_DYING] = { "dying", true, WORKER_DYING_MS },
	[WORKER_WAITING] = { "dead", false, 0 },
	[WORKER_RETIRING] = { "leaving", true, WORKER_LEAVE_MS },
	[WORKER_GONE] = { "gone", false, 0 },
};

struct transition {
	enum worker_state next;
	enum worker_action action;
};

/* An event that is not in the row of a state changes nothing. WORKER_NEW is never entered, so a
 * zero `next` marks an empty cell. */
static const struct transition table[WORKER_STATE_COUNT][WORKER_EVENT_COUNT] = {
	[WORKER_NEW] = {
		[WORKER_EV_START] = { WORKER_STARTING, WORKER_DO_SPAWN },
		[WORKER_EV_RETIRE] = { WORKER_GONE, WORKER_DO_FORGET },
	},
	[WORKER_STARTING] = {
		[WORKER_EV_SPAWN_FAILED] = { WORKER_WAITING, WORKER_DO_MOURN },
		[WORKER_EV_READY] = { WORKER_RUNNING, WORKER_DO_HAND_OVER },
		[WORKER_EV_HUNG_UP] = { WORKER_DYING, WORKER_DO_LET_DIE },
		[WORKER_EV_BROKEN] = { WORKER_DYING, WORKER_DO_KILL },
		[WORKER_EV_DEADLINE] = { WORKER_DYING, WORKER_DO_KILL },
		[WORKER_EV_EXITED] = { WORKER_WAITING, WORKER_DO_MOURN },
		[WORKER_EV_RETIRE] = { WORKER_RETIRING, WORKER_DO_SHUT_DOWN },
	},
	[WORKER_RUNNING] = {
		[WORKER_EV_HUNG_UP] = { WORKER_DYING, WORKER_DO_LET_DIE },
		[WORKER_EV_BROKEN] = { WORKER_DYING, WORKER_DO_KILL },
		[WORKER_EV_DEADLINE] = { WORKER_DYING, WORKER_DO_KILL },
		[WORKER_EV_EXITED] = { WORKER_WAITING, WORKER_DO_MOURN },
		[WORKER_EV_RETIRE] = { WORKER_RETIRING, WORKER_DO_SHUT_DOWN },
	},
	[WORKER_DYING] = {
		[WORKER_EV_DEADLINE] = { WORKER_DYING, WORKER_DO_KILL },
		[WORKER_EV_EXITED] = { WORKER_WAITING, WORKER_DO_MOURN },
		[WORKER_EV_RETIRE] = { WORKER_RETIRING, WORKER_DO_NOTHING },
	},
	[WORKER_WAITING] = {
		[WORKER_EV_DEADLINE] = { WORKER_STARTING, WORKER_DO_SPAWN },
		[WORKER_EV_RETIRE] = { WORKER_GONE, WORKER_DO_FORGET },
	},
	[WORKER_RETIRING] = {
		[WORKER_EV_SPAWN_FAILED] = { WORKER_GONE, WORKER_DO_FORGET },
		[WORKER_EV_DEADLINE] = { WORKER_RETIRING, WORKER_DO_KILL },
		[WORKER_EV_EXITED] = { WORKER_GONE, WORKER_DO_FORGET },
	},
};

/* At once after a good life or the first early death, then longer and longer. */
static unsigned restart_delay_ms(unsigned early_deaths)
{
	unsigned delay = WORKER_RESTART_MIN_MS;

	if (early_deaths <= 1)
		return 0;
	for (unsigned i = 2; i < early_deaths && delay < WORKER_RESTART_MAX_MS; i++)
		delay *= 2;
	return MIN(delay, WORKER_RESTART_MAX_MS);
}

static void note_death(struct worker_machine *m, uint64_t now_ms)
{
	if (now_ms - m->started_ms >= WORKER_STABLE_MS)
		m->early_deaths = 0;
	else
		m->early_deaths++;
	m->deadline_ms = now_ms + restart_delay_ms(m->early_deaths);
}

/* The only writer of m->state. */
static void enter(struct worker_machine *m, enum worker_state next, uint64_t now_ms)
{
	m->deadline_ms = states[next].limit_ms ? now_ms + states[next].limit_ms : 0;
	if (next == WORKER_STARTING) {
		m->restarts += m->state == WORKER_WAITING;
		m->started_ms = now_ms;
		m->was_hung = false;
	}
	if (next == WORKER_WAITING)
		note_death(m, now_ms);
	m->state = next;
	m->seen_ms = now_ms;
}

enum worker_action worker_machine_input(struct worker_machine *m, enum worker_event event,
					uint64_t now_ms)
{
	struct transition t = table[m->state][event];

	if (t.next == WORKER_NEW)
		return WORKER_DO_NOTHING;
	if (t.next == WORKER_DYING && m->state != WORKER_DYING)
		m->was_hung = event == WORKER_EV_DEADLINE;
	enter(m, t.next, now_ms);
	return t.action;
}

void worker_machine_pong(struct worker_machine *m, uint64_t now_ms)
{
	if (m->state == WORKER_RUNNING)
		m->deadline_ms = now_ms + WORKER_SILENCE_MS;
}

enum worker_action worker_machine_tick(struct worker_machine *m, uint64_t now_ms)
{
	uint64_t gap = now_ms - m->seen_ms;

	m->seen_ms = now_ms;
	if (!m->deadline_ms)
		return WORKER_DO_NOTHING;
	if (gap > LOOK_GAP_MS && states[m->state].has_process)
		m->deadline_ms += gap - WORKER_PING_MS;
	if (now_ms < m->deadline_ms)
		return WORKER_DO_NOTHING;
	return worker_machine_input(m, WORKER_EV_DEADLINE, now_ms);
}

unsigned worker_machine_restart_in_ms(const struct worker_machine *m, uint64_t now_ms)
{
	if (m->state != WORKER_WAITING || m->deadline_ms <= now_ms)
		return 0;
	return (unsigned)(m->deadline_ms - now_ms);
}

const char *worker_state_name(enum worker_state state)
{
	return states[state].name;
}
