/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/questions.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/common/log.h"
#include "daemon/common/wire_question.h"
#include "daemon/common/wire.h"
#include "daemon/supervisor/wanted_secrets.h"
#include "daemon/supervisor/worker.h"
#include "lib/str.h"
#include "lib/util.h"

#define PATIENCE_MS 120000 /* to think, or to find the token; sshd does not wait longer either */
#define WRONG_MAX 3 /* as ssh's NumberOfPasswordPrompts */

/* A question that a person has to answer. */
struct asked {
	uint64_t id; /* as clients know it */
	struct worker *worker;
	uint64_t call; /* as the worker knows it */
	struct question q;
	char server[CONNECTION_NAME_MAX]; /* of our own configuration */
	char hop[32]; /* "hop 1 of 3"; "": there is only one */
};

/* ---- what a question is about ---- */

/* Whether the key is one of that server's, or the server is the one that the worker speaks of. */
static bool is_about(const struct question *q, const struct connection_settings *c,
		     const char *server)
{
	if (q->kind == QUESTION_PASSPHRASE)
		return strv_contains(&c->identities, q->subject);
	return strcmp(q->subject, server) == 0;
}

/* Fills in what is ours to say; false: it is about nothing this tunnel has (any more). */
static bool look_up(struct asked *asked, const struct config_tunnel *spec)
{
	const struct question *q = &asked->q;
	const struct connection_settings *c = config_hop_settings(spec, q->route, q->hop);

	if (!c || !is_about(q, c, connection_name(asked->server, c)))
		return false;
	if (spec->routes[q->route].hop_count > 1)
		snprintf(asked->hop, sizeof(asked->hop), "hop %u of %zu", q->hop + 1,
			 spec->routes[q->route].hop_count);
	return true;
}

/* ---- answers ---- */

/* answers: NULL: there are none. */
static void tell_worker(const struct asked *asked, json_t *answers)
{
	worker_send(asked->worker, wire_answer(asked->call, answers), NULL, 0);
}

/* True: it was known. */
static bool answer_from_memory(struct questions *qs, const struct asked *asked)
{
	const struct question *q = &asked->q;
	const char *text = NULL;
	json_t *answers;

	if (q->again)
		secrets_forget(&qs->secrets, q->kind, q->subject);
	else if (q->kind != QUESTION_INTERACTIVE)
		text = secrets_find(&qs->secrets, q->kind, q->subject);
	answers = text ? json_pack("[s]", text) : NULL;
	if (!answers)
		return false;
	tell_worker(asked, answers);
	json_decref(answers);
	return true;
}

static void set_asked(struct attendant *a, struct asked *asked)
{
	free(a->asked);
	a->asked = asked;
	if (asked)
		loop_timer_set(&a->patience, PATIENCE_MS);
	else
		loop_timer_stop(&a->patience);
	a->on_question(a);
}

static void refuse_asked(struct attendant *a)
{
	if (a->asked)
		tell_worker(a->asked, NULL);
}

static void on_impatience(void *data)
{
	struct attendant *a = data;

	refuse_asked(a);
	set_asked(a, NULL);
}

/* ---- what workers say ---- */

static struct attendant *find_attendant(const struct questions *qs, uint64_t tunnel)
{
	struct attendant *a;

	list_for_each (a, &qs->attendants, link) {
		if (a->tunnel == tunnel)
			return a;
	}
	return NULL;
}

static bool has_had_enough(struct attendant *a, const struct question *q)
{
	a->wrong = q->again ? a->wrong + a->has_answered : 0;
	a->has_answered = false;
	return a->wrong >= WRONG_MAX;
}

static void ask_somebody(struct questions *qs, const struct asked *what, uint64_t tunnel)
{
	struct attendant *a = find_attendant(qs, tunnel);
	struct asked *asked = NULL;

	if (a && !has_had_enough(a, &what->q))
		asked = malloc(sizeof(*asked));
	if (!asked) {
		tell_worker(what, NULL);
		return;
	}
	refuse_asked(a); /* what it asked before it does not ask any more */
	*asked = *what;
	asked->id = ++qs->last_id;
	a->was_asked = true;
	set_asked(a, asked);
}

/* A tunnel that has gone, or has other settings by now, has nobody who could say. */
static void handle_asked(struct questions *qs, struct asked *asked, const struct tunnel *t)
{
	if (!t || t->worker != asked->worker || !look_up(asked, t->spec))
		tell_worker(asked, NULL);
	else if (!answer_from_memory(qs, asked))
		ask_somebody(qs, asked, t->id);
}

/* ---- what servers only say ---- */

static void add_notice(struct attendant *a, const struct asked *said)
{
	json_t *notice = json_pack("{s:s, s:o, s:s, s:s}", "server", said->server, "hop",
				   said->hop[0] ? json_string(said->hop) : json_null(), "name",
				   said->q.name, "instruction", said->q.instruction);

	if (!a->notices)
		a->notices = json_array();
	if (json_array_size(a->notices) == NOTICES_MAX)
		json_array_remove(a->notices, 0);
	json_array_append_new(a->notices, notice);
	a->on_question(a);
}

static void handle_said(struct questions *qs, struct asked *said, const struct tunnel *t)
{
	const struct question *q = &said->q;
	struct attendant *a = t ? find_attendant(qs, t->id) : NULL;

	if (!t || t->worker != said->worker || !look_up(said, t->spec))
		return;
	log_info("%s: %s%s%s says: %s%s%s", t->name, said->hop, said->hop[0] ? ", " : "",
		 said->server, q->name, q->name[0] && q->instruction[0] ? ": " : "",
		 q->instruction);
	if (a)
		add_notice(a, said);
}

static int read_asked(struct questions *qs, struct asked *asked, uint64_t *ret_tunnel,
		      json_t *message, struct err *err)
{
	if (wire_read_question(message, &asked->call, ret_tunnel, &asked->q, err) < 0)
		return -1;
	if (*ret_tunnel == 0 || *ret_tunnel > qs->tunnels->last_id)
		return err_set(err, ERR_PROTOCOL, "it asks for a tunnel it does not have");
	return 0;
}

static int handle_question(struct questions *qs, struct worker *w, json_t *message, struct err *err)
{
	struct asked asked = { .worker = w };
	uint64_t tunnel;

	if (read_asked(qs, &asked, &tunnel, message, err) < 0)
		return -1;
	if (question_answers(&asked.q) == 0)
		handle_said(qs, &asked, tunnels_find_id(qs->tunnels, tunnel));
	else
		handle_asked(qs, &asked, tunnels_find_id(qs->tunnels, tunnel));
	return 0;
}

/* The server ended the session before another could be asked for. */
static int handle_wrong(struct questions *qs, struct worker *w, json_t *message, struct err *err)
{
	struct asked about = { .worker = w };
	const struct tunnel *t;
	uint64_t tunnel;

	if (read_asked(qs, &about, &tunnel, message, err) < 0)
		return -1;
	t = tunnels_find_id(qs->tunnels, tunnel);
	if (t && t->worker == w && look_up(&about, t->spec))
		secrets_forget(&qs->secrets, about.q.kind, about.q.subject);
	return 0;
}

static int handle_cancel(struct questions *qs, struct worker *w, json_t *message, struct err *err)
{
	struct attendant *a;
	uint64_t call;

	if (wire_read_about_call(message, &call, err) < 0)
		return -1;
	list_for_each (a, &qs->attendants, link) {
		if (a->asked && a->asked->worker == w && a->asked->call == call)
			set_asked(a, NULL);
	}
	return 0;
}

static const struct {
	const char *type;
	int (*handle)(struct questions *qs, struct worker *w, json_t *message, struct err *err);
} types[] = {
	{ "question", handle_question },
	{ "question-cancel", handle_cancel },
	{ "wrong-answer", handle_wrong },
};

bool questions_know(const char *type)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (strcmp(types[i].type, type) == 0)
			return true;
	}
	return false;
}

int questions_handle(struct questions *qs, struct worker *w, const char *type, json_t *message,
		     struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		if (strcmp(types[i].type, type) == 0)
			return types[i].handle(qs, w, message, err);
	}
	return 0;
}

void questions_on_worker_dead(struct questions *qs, const struct worker *w)
{
	struct attendant *a;

	list_for_each (a, &qs->attendants, link) {
		if (a->asked && a->asked->worker == w)
			set_asked(a, NULL);
	}
}

/* ---- people ---- */

int questions_attend(struct questions *qs, struct attendant *a, const struct tunnel *t,
		     struct err *err)
{
	if (find_attendant(qs, t->id))
		return err_set(err, ERR_ATTENDED,
			       "somebody else is answering for tunnel '%s' at this moment (tunctl "
			       "auth)",
			       t->name);
	if (loop_timer_open(&a->patience, qs->loop, on_impatience, a) < 0)
		return err_nomem(err);
	a->owner = qs;
	a->tunnel = t->id;
	list_append(&qs->attendants, &a->link);
	return 0;
}

void questions_leave(struct attendant *a)
{
	if (!a->owner)
		return;
	refuse_asked(a);
	free(TAKE(a->asked));
	strv_fini(&a->kept);
	json_decref(TAKE(a->notices));
	loop_timer_close(&a->patience);
	list_remove(&a->link);
	a->owner = NULL;
}

/* The server's own prompts, or one of ours. */
static json_t *snapshot_prompts(const struct asked *asked)
{
	const struct question *q = &asked->q;
	char shown[QUESTION_SUBJECT_MAX];
	json_t *array;

	if (q->kind != QUESTION_INTERACTIVE)
		return json_pack("[{s:o, s:b}]", "text",
				 json_sprintf("%s %s: ",
					      q->kind == QUESTION_PASSPHRASE ? "Passphrase for key"
									     : "Password of",
					      str_escape(shown, sizeof(shown), q->subject,
							 strlen(q->subject))),
				 "echo", 0);
	array = json_array();
	for (size_t i = 0; array && i < q->prompt_count; i++)
		json_array_append_new(array, json_pack("{s:s, s:b}", "text", q->prompts[i].text,
						       "echo", (int)q->prompts[i].echo));
	return array;
}

json_t *attendant_question(const struct attendant *a)
{
	const struct asked *asked = a->asked;

	if (!asked)
		return json_null();
	return json_pack("{s:I, s:s, s:s, s:o, s:s, s:s, s:b, s:o}", "id", (json_int_t)asked->id,
			 "kind", question_kind_name(asked->q.kind), "server", asked->server, "hop",
			 asked->hop[0] ? json_string(asked->hop) : json_null(), "name",
			 asked->q.name, "instruction", asked->q.instruction, "again",
			 (int)asked->q.again, "prompts", snapshot_prompts(asked));
}

json_t *attendant_take_notices(struct attendant *a)
{
	return a->notices ? TAKE(a->notices) : json_array();
}

static void keep_answer(struct questions *qs, struct attendant *a, json_t *answers)
{
	const struct question *q = &a->asked->q;
	const char *text = json_string_value(json_array_get(answers, 0));

	if (q->kind == QUESTION_INTERACTIVE || !text)
		return;
	if (secrets_keep(&qs->secrets, q->kind, q->subject, text) == 0)
		strv_add(&a->kept, q->subject);
}

int questions_answer(struct questions *qs, const struct tunnel *t, uint64_t id, json_t *answers,
		     struct err *err)
{
	struct attendant *a = find_attendant(qs, t->id);
	size_t wanted;

	if (!a || !a->asked || a->asked->id != id)
		return err_set(err, ERR_NO_SUCH_QUESTION,
			       "tunnel '%s' does not ask that (any more)", t->name);
	wanted = question_answers(&a->asked->q);
	if (!wire_answers_fit(answers, wanted))
		return err_set(err, ERR_USAGE,
			       "the question of tunnel '%s' wants %zu answer%s of at most %d bytes",
			       t->name, wanted, wanted == 1 ? "" : "s", SECRET_MAX);
	keep_answer(qs, a, answers);
	a->has_answered = true;
	tell_worker(a->asked, answers);
	set_asked(a, NULL);
	return 0;
}

/* ---- others who wait for the same ---- */

struct hearsay {
	const struct strv *kept;
	enum question_kind kind;
};

static bool has_been_told(void *data, enum question_kind kind, const char *subject)
{
	const struct hearsay *h = data;

	return kind == h->kind && strv_contains(h->kept, subject);
}

bool attendant_helps(const struct attendant *a, const struct tunnel *t)
{
	enum err_code why = t->state == TUNNEL_FAILED && t->error ? t->error->code : ERR_NONE;
	struct hearsay h = { .kept = &a->kept };

	if (why != ERR_PASSPHRASE && why != ERR_PASSWORD)
		return false;
	h.kind = why == ERR_PASSWORD ? QUESTION_PASSWORD : QUESTION_PASSPHRASE;
	return wanted_secrets_any(t->spec, has_been_told, &h);
}

/* ---- life ---- */

int questions_init(struct questions *qs, struct loop *loop, struct tunnels *tunnels)
{
	*qs = (struct questions){ .loop = loop, .tunnels = tunnels };
	list_init(&qs->attendants);
	return secrets_init(&qs->secrets);
}

void questions_fini(struct questions *qs)
{
	secrets_fini(&qs->secrets);
}
