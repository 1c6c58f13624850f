/* SPDX-License-Identifier: MIT */
/*
 * An SSH agent, spoken to on the loop: libssh would wait for it, and an agent may ask a person before
 * it answers. One question at a time, each with a limit; what an agent says is read up to 256 KiB. It
 * knows nothing of libssh: who wants a signature brings the request.
 */
#pragma once

#include "daemon/common/loop.h"
#include "daemon/worker/step.h"
#include "lib/agent_protocol.h"

struct agent;

/* on_progress: something changed; call the step again. Connects when it is first asked something.
 * NULL: out of memory. */
struct agent *agent_new(struct loop *loop, const char *path, void (*on_progress)(void *data),
			void *data, struct err *err);
void agent_free(struct agent *a); /* may be called from on_progress; NULL is fine */

/* Asks for the list of keys. */
void agent_ask_keys(struct agent *a, unsigned limit_ms);
/* Sends a sign request (its body). */
void agent_ask_signature(struct agent *a, struct ssh_span body, unsigned limit_ms);
/* STEP_NEXT: the answer is there. STEP_FAIL: there is none, ERR_AGENT; it may be asked again, on a
 * new connection. */
enum step agent_step(struct agent *a, struct err *err);
/* The body of the answer, until the next question. */
struct ssh_span agent_answer(const struct agent *a);

const char *agent_path(const struct agent *a);
bool agent_is_asked(const struct agent *a); /* a question is open */
