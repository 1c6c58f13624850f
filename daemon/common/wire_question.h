/* SPDX-License-Identifier: MIT */
/*
 * The messages about what has to be answered before a server lets us in (see wire.h).
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

#include "lib/question.h"
#include "lib/secret.h"

/* Encoders return a new reference, or NULL when out of memory. */
json_t *wire_question(uint64_t call, uint64_t tunnel, const struct question *q);
/* The same shape: what was answered to q is wrong, and q not asked again. */
json_t *wire_wrong_answer(uint64_t call, uint64_t tunnel, const struct question *q);
/* answers: an array of strings, shared; NULL: nobody is there. */
json_t *wire_answer(uint64_t call, json_t *answers);

/* Decoders return -1 with err (ERR_PROTOCOL); what is shown comes out safe to print. */
int wire_read_question(json_t *m, uint64_t *ret_call, uint64_t *ret_tunnel, struct question *ret,
		       struct err *err);
struct wire_answers {
	bool nobody;
	struct secret items[QUESTION_PROMPTS_MAX];
	size_t count;
};
int wire_read_answer(json_t *m, uint64_t *ret_call, struct wire_answers *ret, struct err *err);
void wire_answers_fini(struct wire_answers *answers);

/* Whether a list of answers is within its bounds. */
bool wire_answers_fit(json_t *answers, size_t count);
