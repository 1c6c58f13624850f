/* SPDX-License-Identifier: MIT */
#include "daemon/supervisor/secrets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "daemon/common/log.h"
#include "lib/util.h"

#define SLOT_SIZE (SECRET_MAX + 1)
#define SLOTS_SIZE ((size_t)SECRETS_MAX * SLOT_SIZE)

static char *slot_text(struct secrets *s, size_t slot)
{
	return s->slots + slot * SLOT_SIZE;
}

int secrets_init(struct secrets *s)
{
	void *slots =
		mmap(NULL, SLOTS_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	*s = (struct secrets){ 0 };
	list_init(&s->kept);
	if (slots == MAP_FAILED)
		return -1;
	s->slots = slots;
	madvise(slots, SLOTS_SIZE, MADV_DONTDUMP);
	madvise(slots, SLOTS_SIZE, MADV_WIPEONFORK);
	return 0;
}

/* Only what is used is locked, because RLIMIT_MEMLOCK may be small. A page stays locked. */
static void lock_slot(struct secrets *s, size_t slot)
{
	if (mlock(slot_text(s, slot), SLOT_SIZE) == 0 || s->told)
		return;
	s->told = true;
	log_warning(
		"cannot lock the memory of passphrases and passwords (%s): it may be swapped to "
		"disk; raise the limit (LimitMEMLOCK=) or encrypt the swap",
		strerror(errno));
}

void secrets_drop(struct secrets *s, struct kept_secret *k)
{
	explicit_bzero(slot_text(s, k->slot), SLOT_SIZE);
	s->used[k->slot] = false;
	s->count--;
	list_remove(&k->link);
	free(k->subject);
	free(k);
}

void secrets_fini(struct secrets *s)
{
	struct kept_secret *k;

	if (!s->slots)
		return;
	while ((k = list_first(&s->kept, struct kept_secret, link)))
		secrets_drop(s, k);
	munmap(TAKE(s->slots), SLOTS_SIZE);
}

static struct kept_secret *find(const struct secrets *s, enum question_kind kind,
				const char *subject)
{
	struct kept_secret *k;

	list_for_each (k, &s->kept, link) {
		if (k->kind == kind && strcmp(k->subject, subject) == 0)
			return k;
	}
	return NULL;
}

const char *secrets_find(struct secrets *s, enum question_kind kind, const char *subject)
{
	struct kept_secret *k = find(s, kind, subject);

	if (!k)
		return NULL;
	list_remove(&k->link);
	list_prepend(&s->kept, &k->link);
	return slot_text(s, k->slot);
}

bool secrets_have(const struct secrets *s, enum question_kind kind, const char *subject)
{
	return find(s, kind, subject);
}

void secrets_forget(struct secrets *s, enum question_kind kind, const char *subject)
{
	struct kept_secret *k = find(s, kind, subject);

	if (k)
		secrets_drop(s, k);
}

/* There is one: what was not used for longest has been dropped. */
static size_t free_slot(const struct secrets *s)
{
	size_t slot = 0;

	while (s->used[slot])
		slot++;
	return slot;
}

int secrets_keep(struct secrets *s, enum question_kind kind, const char *subject, const char *text)
{
	struct kept_secret *k;
	size_t length = strlen(text);

	secrets_forget(s, kind, subject);
	k = length <= SECRET_MAX ? calloc(1, sizeof(*k)) : NULL;
	if (k)
		k->subject = strdup(subject);
	if (!k || !k->subject) {
		free(k);
		return -1;
	}
	if (s->count == SECRETS_MAX)
		secrets_drop(s, list_entry(s->kept.prev, struct kept_secret, link));
	k->kind = kind;
	k->slot = free_slot(s);
	s->used[k->slot] = true;
	s->count++;
	list_prepend(&s->kept, &k->link);
	lock_slot(s, k->slot);
	memcpy(slot_text(s, k->slot), text, length + 1);
	return 0;
}
