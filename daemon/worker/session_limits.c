/* SPDX-License-Identifier: MIT */
#include "daemon/worker/session_limits.h"

#include "lib/util.h"

#define PUMP_US 4000 /* of one session */
#define TURN_MS                                                                                    \
	20 /* of all of them: afterwards each reads 4 KiB a turn, which is what libssh reads at once */

bool session_limits_is_over(uint64_t started_us, uint64_t turn_ms)
{
	uint64_t now_us = monotonic_us();

	return now_us - started_us > PUMP_US || now_us / 1000 - turn_ms > TURN_MS;
}

int session_limits_early(uint64_t bytes, struct err *err)
{
	if (bytes <= SESSION_EARLY_MAX)
		return 0;
	return err_set(err, ERR_PROTOCOL,
		       "the server sent more than %d MiB before it let us in, which no SSH server "
		       "has reason to; is it the right one?",
		       SESSION_EARLY_MAX / 1024 / 1024);
}

int session_limits_answers(struct session_limits *limits, uint64_t packets, bool waiting,
			   struct err *err)
{
	limits->answers = waiting ? limits->answers + packets : 0;
	if (limits->answers <= SESSION_ANSWERS_MAX)
		return 0;
	return err_set(err, ERR_PROTOCOL,
		       "the server does not read the answers to what it asks: %d of them wait",
		       SESSION_ANSWERS_MAX);
}
