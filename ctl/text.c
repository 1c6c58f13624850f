/* SPDX-License-Identifier: MIT */
#include "ctl/text.h"

#include <string.h>
#include <wchar.h>

/* The bytes of the character at text, its cells in *ret_width. Unknown characters take one cell. */
static size_t character(const char *text, size_t *ret_width)
{
	unsigned char lead = (unsigned char)*text;
	size_t length = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
	wchar_t point = length == 1 ? lead : lead & (0xff >> (length + 1));
	int width;

	for (size_t i = 1; i < length; i++) {
		if (((unsigned char)text[i] & 0xc0) != 0x80) {
			*ret_width = 1;
			return i;
		}
		point = point << 6 | (text[i] & 0x3f);
	}
	width = lead < 0x80 ? 1 : wcwidth(point);
	*ret_width = width < 0 ? 1 : (size_t)width;
	return length;
}

static size_t width_of(const char *text, size_t length)
{
	size_t total = 0, width;

	for (size_t i = 0; i < length; total += width)
		i += character(text + i, &width);
	return total;
}

size_t text_width(const char *text)
{
	return width_of(text, strlen(text));
}

size_t text_add_cut(struct strbuf *to, const char *text, size_t width, const char *mark)
{
	size_t mark_width = text_width(mark), used = 0, bytes = 0, cells;

	if (text_width(text) <= width) {
		strbuf_add(to, text);
		return text_width(text);
	}
	if (mark_width > width)
		return 0;
	for (;;) {
		size_t length = character(text + bytes, &cells);

		if (used + cells + mark_width > width)
			break;
		bytes += length;
		used += cells;
	}
	strbuf_add_bytes(to, text, bytes);
	strbuf_add(to, mark);
	return used + mark_width;
}

void text_add_spaces(struct strbuf *to, size_t count)
{
	static const char spaces[] = "                                ";

	for (; count >= sizeof(spaces) - 1; count -= sizeof(spaces) - 1)
		strbuf_add(to, spaces);
	strbuf_add_bytes(to, spaces, count);
}

void text_add_wrapped(struct strbuf *to, const char *text, size_t indent, size_t width)
{
	size_t column = indent;

	text_add_spaces(to, indent);
	while (*text) {
		size_t length = strcspn(text, " "), cells = width_of(text, length);

		if (column > indent && width > 0 && column + 1 + cells > width) {
			strbuf_add(to, "\n");
			text_add_spaces(to, indent);
			column = indent;
		} else if (column > indent) {
			strbuf_add(to, " ");
			column++;
		}
		strbuf_add_bytes(to, text, length);
		column += cells;
		text += length;
		text += strspn(text, " ");
	}
	strbuf_add(to, "\n");
}
