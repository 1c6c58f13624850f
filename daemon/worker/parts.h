/* SPDX-License-Identifier: MIT */
/*
 * What all tunnels of a worker share.
 */
#pragma once

#include "daemon/common/offload.h"
#include "daemon/worker/agents.h"
#include "daemon/worker/command_call.h"
#include "daemon/worker/doubts.h"
#include "daemon/worker/gate.h"
#include "daemon/worker/hostkey_question.h"
#include "daemon/worker/inquiry.h"
#include "daemon/worker/older.h"
#include "daemon/worker/relay.h"
#include "daemon/worker/report.h"
#include "daemon/worker/resolve.h"

struct worker_parts {
	struct loop *loop;
	struct resolver *resolver; /* of servers */
	struct resolver *targets; /* of what clients want to reach: they must not delay servers */
	struct offload *files; /* keys and known_hosts */
	struct gate *gate;
	struct agents *agents;
	struct jumps *jumps;
	struct report *report;
	struct inquiries *inquiries; /* what the supervisor is asked */
	struct command_calls *commands; /* what it runs for us */
	struct hostkey_questions *host_keys;
	struct older *older;
	struct doubts *doubts; /* about passwords */
	struct relay_scratch *scratch;
	struct partings *partings;
	uint64_t *last_connection; /* id */
	int *spare_fd; /* kept for when descriptors run out */
};
