/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A blade's configuration space as its guest sees it. QEMU's monitor reads guest memory, and on q35
 * the firmware puts all of configuration space into a window there (MMCONFIG): what stands in it is
 * what a guest reads. Where the window is not (no firmware has run, or another machine), headers
 * are made from query-pci.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "provider/qemu/inside.h"

enum {
	WORDS = PROVIDER_CONFIG_BYTES / 4,
	CONFIG_SHORT = 256,
	/* where SeaBIOS and OVMF put it on q35, hw/pci-host/q35.h: MCH_HOST_BRIDGE_PCIEXBAR_DEFAULT
	 */
	WINDOW = 0xb0000000u,
};

struct qemu_view {
	struct qmp_pci *functions;
	size_t count;
	size_t answered;
	bool is_asked;
	uint8_t bytes[PROVIDER_CONFIG_BYTES];
};

void qemu_view_free(struct qemu_view *view)
{
	if (!view)
		return;
	free(view->functions);
	free(view);
}

static void view_end(struct qemu_work *work, const char *why)
{
	(void)snprintf(work->text, sizeof(work->text), "%.*s", PROVIDER_TEXT_MAX - 1, why);
	work->step = QEMU_STEP_OVER;
	qemu_blade_forget(work->blade, work);
	qemu_turn_soon(work->q);
}

static void le16(uint8_t *at, uint16_t v)
{
	at[0] = (uint8_t)v;
	at[1] = (uint8_t)(v >> 8);
}

/* PCI Local Bus 3.0 §6.1, PCI-to-PCI Bridge 1.2 §3.2: what query-pci tells of the header. */
static uint16_t bytes_make(uint8_t *bytes, const struct qmp_pci *f)
{
	memset(bytes, 0, CONFIG_SHORT);
	le16(bytes, f->vendor);
	le16(bytes + 2, f->product);
	bytes[0x09] = (uint8_t)f->class_code;
	le16(bytes + 0x0a, (uint16_t)(f->class_code >> 8));
	if (f->is_bridge) {
		bytes[0x0e] = 1;
		bytes[0x18] = f->bus;
		bytes[0x19] = f->secondary;
		bytes[0x1a] = f->subordinate;
	}
	return CONFIG_SHORT;
}

/* Is there anything beyond the first 256 bytes? Functions without it read as all ones or zeroes. */
static uint16_t bytes_length(const uint8_t *bytes)
{
	static const uint8_t ones[4] = { 0xff, 0xff, 0xff, 0xff }, zeroes[4];

	return memcmp(bytes + CONFIG_SHORT, ones, 4) != 0 &&
			       memcmp(bytes + CONFIG_SHORT, zeroes, 4) != 0
		       ? PROVIDER_CONFIG_BYTES
		       : CONFIG_SHORT;
}

static bool bytes_take(uint8_t *bytes, const struct qmp_pci *f, const struct qmp_message *answer)
{
	static char text[QMP_LINE_MAX];
	static uint32_t words[WORDS];

	if (answer->kind != QMP_RETURN || qmp_text(answer->value, text, sizeof(text)) ||
	    qmp_words(text, words, WORDS) != WORDS ||
	    words[0] != ((uint32_t)f->product << 16 | f->vendor))
		return false;
	for (size_t i = 0; i < WORDS; i++) {
		le16(bytes + 4 * i, (uint16_t)words[i]);
		le16(bytes + 4 * i + 2, (uint16_t)(words[i] >> 16));
	}
	return true;
}

static void function_told(void *arg, const struct qmp_message *answer)
{
	struct qemu_work *work = arg;
	struct qemu_view *view = work->view;
	const struct qmp_pci *f = &view->functions[view->answered++];
	struct provider_config config = {
		.bus = f->bus,
		.device = f->device,
		.function = f->function,
		.bytes = view->bytes,
	};

	config.length = bytes_take(view->bytes, f, answer) ? bytes_length(view->bytes)
							   : bytes_make(view->bytes, f);
	work->q->sink.viewed(work->q->sink.arg, work->cookie, &config, NULL);
	if (view->answered == view->count)
		view_end(work, "");
}

static uint64_t function_ask(struct qemu_work *work, const struct qmp_pci *f)
{
	struct qmp_argument arguments[] = { { "command-line", NULL, false }, { 0 } };
	char line[64];

	(void)snprintf(line, sizeof(line), "xp /%dxw 0x%x", WORDS,
		       WINDOW + ((uint32_t)f->bus << 20 | (uint32_t)f->device << 15 |
				 (uint32_t)f->function << 12));
	arguments[0].text = line;
	return qemu_blade_send(work->blade, "human-monitor-command", arguments, QEMU_READS, 0,
			       function_told, work);
}

static int function_compare(const void *a, const void *b)
{
	const struct qmp_pci *p = a;
	const struct qmp_pci *q = b;
	int x = p->bus << 8 | p->device << 3 | p->function;
	int y = q->bus << 8 | q->device << 3 | q->function;

	return x < y ? -1 : x > y;
}

static void functions_told(void *arg, const struct qmp_message *answer)
{
	struct qemu_work *work = arg;
	struct qemu_view *view = work->view;

	if (answer->kind != QMP_RETURN || qmp_pci(answer->value, &view->functions, &view->count)) {
		view_end(work, answer->kind == QMP_ERROR ? answer->text
							 : "query-pci: an answer without sense");
		return;
	}
	if (!view->count) {
		view_end(work, "");
		return;
	}
	qsort(view->functions, view->count, sizeof(view->functions[0]), function_compare);
	for (size_t i = 0; i < view->count; i++)
		if (!function_ask(work, &view->functions[i])) {
			view_end(work, "QEMU takes no commands any more");
			return;
		}
}

void qemu_view_go(struct qemu_work *work)
{
	struct qemu_blade *blade = work->blade;

	if (blade->state == QEMU_BLADE_OFF || blade->state == QEMU_BLADE_HUNG) {
		char why[PROVIDER_TEXT_MAX];

		(void)snprintf(why, sizeof(why), "%.60s is %s: %.80s", blade->host->bay,
			       qemu_blade_state_text(blade->state), blade->why);
		view_end(work, why);
		return;
	}
	if (blade->state != QEMU_BLADE_UP || work->step == QEMU_STEP_VIEW)
		return;
	work->step = QEMU_STEP_VIEW;
	work->view = calloc(1, sizeof(*work->view));
	if (!work->view ||
	    !qemu_blade_send(blade, "query-pci", NULL, QEMU_READS, 0, functions_told, work))
		view_end(work, "QEMU takes no commands any more");
}
