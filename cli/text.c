/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/text.h"

#include <langinfo.h>
#include <locale.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

static const struct {
	const char *word;
	enum style style;
} states[] = {
	{ "alive", STYLE_GOOD },
	{ "bound", STYLE_GOOD },
	{ "done", STYLE_GOOD },
	{ "ready", STYLE_GOOD },
	{ "up", STYLE_GOOD },
	{ "ok", STYLE_GOOD },
	{ "closed", STYLE_GOOD },
	{ "moved", STYLE_GOOD },
	{ "running", STYLE_BUSY },
	{ "suspect", STYLE_BUSY },
	{ "fencing", STYLE_BUSY },
	{ "settling", STYLE_BUSY },
	{ "slow", STYLE_BUSY },
	{ "connecting", STYLE_BUSY },
	{ "starting", STYLE_BUSY },
	{ "degraded", STYLE_BUSY },
	{ "parked", STYLE_BUSY },
	{ "doubt", STYLE_BUSY },
	{ "open", STYLE_BUSY },
	{ "maintenance", STYLE_BUSY },
	{ "fenced", STYLE_BAD },
	{ "blocked", STYLE_BAD },
	{ "quarantined", STYLE_BAD },
	{ "bad", STYLE_BAD },
	{ "failed", STYLE_BAD },
	{ "refused", STYLE_BAD },
	{ "lost", STYLE_BAD },
	{ "frozen", STYLE_BAD },
	{ "down", STYLE_BAD },
	{ "cancelled", STYLE_DIM },
	{ "waiting", STYLE_BUSY },
	{ "moving", STYLE_BUSY },
	{ "adopt", STYLE_BUSY },
	{ "absent", STYLE_BAD },
	{ "present", STYLE_GOOD },
	{ "unknown", STYLE_DIM },
	{ "free", STYLE_DIM },
	{ "seen", STYLE_GOOD },
	{ "not-seen", STYLE_BAD },
	{ "awaited", STYLE_BUSY },
	{ "unreported", STYLE_DIM },
	{ "no-driver", STYLE_BUSY },
	{ "other-mac", STYLE_BAD },
	{ "other-serial", STYLE_BAD },
	{ "other-device", STYLE_BAD },
	{ "other-wwpn", STYLE_BAD },
	{ "changing", STYLE_BUSY },
	{ "split", STYLE_BAD },
	{ "suspected", STYLE_BUSY },
	{ "recovered", STYLE_GOOD },
	{ "judged-dead", STYLE_BAD },
	{ "proved-dead", STYLE_BAD },
	{ "held-by-breaker", STYLE_BUSY },
	{ "waits-for-switch", STYLE_BUSY },
	{ "waits-for-rate", STYLE_BUSY },
};

static const char *const codes[] = {
	[STYLE_PLAIN] = "",         [STYLE_GOOD] = "\033[32m", [STYLE_BUSY] = "\033[33m",
	[STYLE_BAD] = "\033[1;31m", [STYLE_DIM] = "\033[2m",   [STYLE_HEAD] = "\033[1m",
};

bool text_setup(void)
{
	bool utf8;

	(void)setlocale(LC_CTYPE, ""); /* an unknown locale leaves "C": no UTF-8 then */
	utf8 = !strcmp(nl_langinfo(CODESET), "UTF-8");
	/* What the daemon sends is UTF-8 whatever the terminal is. */
	(void)setlocale(LC_CTYPE, "C.UTF-8");
	return utf8;
}

/* One character at @text. Return: its bytes; 0 where it is no printable one. */
static size_t next_char(const char *text, wchar_t *c)
{
	mbstate_t state = { 0 };
	size_t n = mbrtowc(c, text, strnlen(text, MB_CUR_MAX), &state);

	if (n == 0 || n > MB_CUR_MAX || wcwidth(*c) < 0)
		return 0;
	return n;
}

size_t text_width(const char *text)
{
	size_t width = 0;

	while (*text) {
		wchar_t c = 0;
		size_t n = next_char(text, &c);

		width += n ? (size_t)wcwidth(c) : 1;
		text += n ? n : 1;
	}
	return width;
}

void text_clean(struct buf *out, const char *text)
{
	while (*text) {
		wchar_t c = 0;
		size_t n = next_char(text, &c);

		buf_bytes(out, n ? text : "?", n ? n : 1);
		text += n ? n : 1;
	}
}

void text_styled(struct buf *out, const char *text, enum style style, bool color)
{
	bool painted = color && style != STYLE_PLAIN;

	if (painted)
		buf_text(out, codes[style]);
	text_clean(out, text);
	if (painted)
		buf_text(out, "\033[0m");
}

enum style text_state_style(const char *state)
{
	for (size_t i = 0; i < sizeof(states) / sizeof(*states); i++)
		if (!strcmp(states[i].word, state))
			return states[i].style;
	return STYLE_PLAIN;
}
