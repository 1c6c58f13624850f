/* SPDX-License-Identifier: MIT */
/*
 * A doubly linked list whose links live inside the elements, so that an element can leave its list
 * in constant time and without an allocation. The head is a link too; an empty list points at
 * itself. An element that is in no list has been list_init()ed or list_remove()d and may be removed
 * again.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *prev, *next;
};

#define LIST_INIT(name)                                                                            \
	{                                                                                          \
		&(name), &(name)                                                                   \
	}

/* The struct that contains link as member. */
#define list_entry(link, type, member) ((type *)((char *)(link)-offsetof(type, member)))

#define list_first(head, type, member)                                                             \
	(list_is_empty(head) ? NULL : list_entry((head)->next, type, member))

/* Safe against removal of the current element (it), not of the one after it. */
#define list_for_each(it, head, member)                                                            \
	for (struct list *it##_link = (head)->next, *it##_next = it##_link->next;                  \
	     it##_link != (head) && ((it) = list_entry(it##_link, __typeof__(*(it)), member), 1);  \
	     it##_link = it##_next, it##_next = it##_link->next)

static inline void list_init(struct list *list)
{
	list->prev = list->next = list;
}

static inline bool list_is_empty(const struct list *list)
{
	return list->next == list;
}

static inline void list_insert_after(struct list *pos, struct list *link)
{
	link->prev = pos;
	link->next = pos->next;
	pos->next->prev = link;
	pos->next = link;
}

static inline void list_append(struct list *head, struct list *link)
{
	list_insert_after(head->prev, link);
}

static inline void list_prepend(struct list *head, struct list *link)
{
	list_insert_after(head, link);
}

static inline void list_remove(struct list *link)
{
	link->prev->next = link->next;
	link->next->prev = link->prev;
	list_init(link);
}
