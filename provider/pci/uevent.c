/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "provider/pci/uevent.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const actions[] = {
	[UEVENT_ADD] = "add",       [UEVENT_REMOVE] = "remove", [UEVENT_BIND] = "bind",
	[UEVENT_UNBIND] = "unbind", [UEVENT_CHANGE] = "change", [UEVENT_OTHER] = "other",
};

const char *uevent_action_text(enum uevent_action action)
{
	return actions[action];
}

static enum uevent_action action_parse(const char *text, size_t length)
{
	for (unsigned i = 0; i < UEVENT_OTHER; i++)
		if (strlen(actions[i]) == length && !memcmp(actions[i], text, length))
			return (enum uevent_action)i;
	return UEVENT_OTHER;
}

/* What of one event counts, as it comes. */
struct seen {
	bool subsystem_pci;
	bool has_slot;
	struct uevent event;
};

/* The value, if @text is "@key=value"; else NULL. */
static const char *value_of(const char *text, const char *key)
{
	size_t length = strlen(key);

	return !strncmp(text, key, length) && text[length] == '=' ? text + length + 1 : NULL;
}

static int pair_take(struct seen *seen, const char *text)
{
	const char *value;

	if (!strchr(text, '=') || text[0] == '=')
		return -EBADMSG;
	if ((value = value_of(text, "SUBSYSTEM")))
		seen->subsystem_pci = !strcmp(value, "pci");
	else if ((value = value_of(text, "PCI_SLOT_NAME")))
		seen->has_slot = !topo_address_parse(value, &seen->event.address) &&
				 topo_address_is_possible(&seen->event.address);
	else if ((value = value_of(text, "DRIVER")) && strlen(value) < UEVENT_DRIVER_MAX)
		(void)snprintf(seen->event.driver, sizeof(seen->event.driver), "%s", value);
	else if ((value = value_of(text, "ERROR_EVENT")))
		seen->event.is_recovery_failed = !strcmp(value, "FAILED_RECOVERY");
	return 0;
}

int uevent_parse(const uint8_t *bytes, size_t length, struct uevent *out)
{
	struct seen seen = { 0 };
	const char *text = (const char *)bytes;
	const char *end = text + length;
	const char *at;

	/* every text has its NUL, the last one too: no search below runs over the end */
	if (!length || length > UEVENT_MAX || bytes[length - 1])
		return -EBADMSG;
	at = strchr(text, '@');
	if (!at || at == text || at[1] != '/')
		return -EBADMSG;
	seen.event.action = action_parse(text, (size_t)(at - text));
	for (text += strlen(text) + 1; text < end; text += strlen(text) + 1) {
		int r = pair_take(&seen, text);

		if (r)
			return r;
	}
	seen.event.is_pci = seen.subsystem_pci && seen.has_slot;
	*out = seen.event;
	if (!out->is_pci)
		*out = (struct uevent){ .action = seen.event.action };
	return 0;
}
