/* SPDX-License-Identifier: MIT */
#include "daemon/common/wire_question.h"

#include <string.h>

#include "daemon/common/wire.h"
#include "daemon/common/wire_json.h"

static json_t *prompts(const struct question *q)
{
	json_t *array = json_array();

	for (size_t i = 0; array && i < q->prompt_count; i++) {
		const struct question_prompt *p = &q->prompts[i];
		json_t *o = wire_with(json_object(), "text", wire_shown(p->text));

		array = wire_append(array, wire_with(o, "echo", json_boolean(p->echo)));
	}
	return array;
}

static json_t *about_question(const char *type, uint64_t call, uint64_t tunnel,
			      const struct question *q)
{
	json_t *m = wire_about_call(type, call);

	m = wire_with(m, "tunnel", wire_integer(tunnel));
	m = wire_with(m, "route", wire_integer(q->route));
	m = wire_with(m, "hop", wire_integer(q->hop));
	m = wire_with(m, "kind", wire_text(question_kind_name(q->kind)));
	m = wire_with(m, "again", json_boolean(q->again));
	m = wire_with(m, "subject", wire_text(q->subject));
	m = wire_with(m, "name", wire_shown(q->name));
	m = wire_with(m, "instruction", wire_shown(q->instruction));
	return wire_with(m, "prompts", prompts(q));
}

json_t *wire_question(uint64_t call, uint64_t tunnel, const struct question *q)
{
	return about_question("question", call, tunnel, q);
}

json_t *wire_wrong_answer(uint64_t call, uint64_t tunnel, const struct question *q)
{
	return about_question("wrong-answer", call, tunnel, q);
}

static void read_prompts(struct wire_reader *r, struct question *ret)
{
	json_t *array = json_object_get(r->object, "prompts");

	ret->prompt_count = json_array_size(array);
	if (!json_is_array(array) || ret->prompt_count > QUESTION_PROMPTS_MAX) {
		ret->prompt_count = 0;
		wire_fail(r, "prompts");
	}
	for (size_t i = 0; i < ret->prompt_count; i++) {
		struct wire_reader part = wire_part(r, json_array_get(array, i));
		struct question_prompt *p = &ret->prompts[i];

		wire_get_shown(&part, "text", p->text, sizeof(p->text));
		p->echo = wire_get_bool(&part, "echo");
	}
}

int wire_read_question(json_t *m, uint64_t *ret_call, uint64_t *ret_tunnel, struct question *ret,
		       struct err *err)
{
	struct wire_reader r = { .object = m, .err = err };

	*ret = (struct question){ 0 };
	*ret_call = wire_get_id(&r, "call");
	*ret_tunnel = wire_get_id(&r, "tunnel");
	ret->route = wire_get_unsigned(&r, "route");
	ret->hop = wire_get_unsigned(&r, "hop");
	ret->kind = (enum question_kind)wire_get_word(&r, "kind", question_kind_from_name);
	ret->again = wire_get_bool(&r, "again");
	wire_get_fitting(&r, "subject", ret->subject, sizeof(ret->subject));
	wire_get_shown(&r, "name", ret->name, sizeof(ret->name));
	wire_get_shown(&r, "instruction", ret->instruction, sizeof(ret->instruction));
	read_prompts(&r, ret);
	return wire_done(&r);
}

/* ---- answers ---- */

json_t *wire_answer(uint64_t call, json_t *answers)
{
	return wire_with(wire_about_call("answer", call), "answers",
			 answers ? json_incref(answers) : json_null());
}

bool wire_answers_fit(json_t *answers, size_t count)
{
	json_t *text;
	size_t i;

	if (!json_is_array(answers) || json_array_size(answers) != count ||
	    count > QUESTION_PROMPTS_MAX)
		return false;
	json_array_foreach (answers, i, text) {
		if (!json_is_string(text) || json_string_length(text) > SECRET_MAX ||
		    strlen(json_string_value(text)) != json_string_length(text))
			return false;
	}
	return true;
}

int wire_read_answer(json_t *m, uint64_t *ret_call, struct wire_answers *ret, struct err *err)
{
	struct wire_reader r = { .object = m, .err = err };
	json_t *answers = json_object_get(m, "answers"), *text;
	size_t i;

	*ret = (struct wire_answers){ .nobody = json_is_null(answers) };
	*ret_call = wire_get_id(&r, "call");
	if (!ret->nobody && !wire_answers_fit(answers, json_array_size(answers)))
		wire_fail(&r, "answers");
	json_array_foreach (answers, i, text) {
		if (r.failed || secret_set(&ret->items[ret->count++], json_string_value(text),
					   json_string_length(text)) < 0)
			wire_fail(&r, "answers");
	}
	if (r.failed)
		wire_answers_fini(ret);
	return wire_done(&r);
}

void wire_answers_fini(struct wire_answers *answers)
{
	for (size_t i = 0; i < answers->count; i++)
		secret_fini(&answers->items[i]);
	*answers = (struct wire_answers){ 0 };
}
