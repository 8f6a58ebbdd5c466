/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "common/clock.h"
#include "provider/pci/inside.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/log.h"
#include "provider/pci/uevent.h"

enum { UEVENTS_AT_ONCE = 256 };

/* ---- the kernel's events ---- */

static void uevent_take(struct machine *m, const struct uevent *e)
{
	struct pci_function *f = pci_table_at(&m->table, &e->address);
	char address[TOPO_ADDRESS_TEXT];

	topo_address_format(&e->address, address);
	log_notice("%s: %s%s%s%s", address, uevent_action_text(e->action),
		   e->driver[0] ? ", driver " : "", e->driver,
		   e->is_recovery_failed ? ", recovery from an error failed" : "");
	if (f && e->action == UEVENT_REMOVE) {
		f->answers = false;
		pci_tell_function(m, f->as.handle, false);
	}
}

/* One datagram. Return: >0 it was of a PCI function; 0 not; -EAGAIN none is left; -ENOBUFS some
 * were lost. */
static int uevent_next(struct machine *m)
{
	static uint8_t bytes[UEVENT_MAX];
	struct sockaddr_nl from = { 0 };
	struct iovec part = { .iov_base = bytes, .iov_len = sizeof(bytes) };
	struct msghdr message = {
		.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &part, .msg_iovlen = 1
	};
	ssize_t n = recvmsg(m->events, &message, MSG_DONTWAIT);
	struct uevent e;

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	/* anybody may send to a netlink socket; the kernel's own number is 0 */
	if (message.msg_namelen == sizeof(from) && from.nl_family == AF_NETLINK && from.nl_pid)
		return 0;
	if (message.msg_flags & MSG_TRUNC || uevent_parse(bytes, (size_t)n, &e)) {
		log_debug("kernel: an event that cannot be read");
		return 0;
	}
	if (!e.is_pci || e.action == UEVENT_OTHER)
		return 0;
	uevent_take(m, &e);
	return 1;
}

void pci_events_come(evutil_socket_t fd, short what, void *arg)
{
	struct machine *m = arg;
	bool changed = false;
	int r = 0;

	(void)fd;
	(void)what;
	for (int i = 0; r >= 0 && i < UEVENTS_AT_ONCE; i++) {
		r = uevent_next(m);
		changed |= r > 0;
	}
	if (r == -ENOBUFS) {
		log_warning("kernel: events were lost");
		pci_tell_changed(m, PROVIDER_EVENT_OVERFLOW);
		pci_look_start(m, false);
	} else if (changed) {
		pci_tell_changed(m, PROVIDER_EVENT_CHANGED);
		pci_look_start(m, false);
	}
}

/* ---- AER ---- */

static uint64_t risen(uint64_t now, uint64_t before)
{
	return now > before ? now - before : 0;
}

/* True when errors that are not corrected were counted at that end. */
static bool aer_look(const struct machine *m, const struct pci_card *card,
		     const struct topo_address *end, const char *which, struct sysfs_aer *last)
{
	struct sysfs_aer now = sysfs_aer(&m->sysfs, end);
	char address[TOPO_ADDRESS_TEXT];
	uint64_t fatal;
	uint64_t nonfatal;

	if (!now.known)
		return false;
	fatal = last->known ? risen(now.fatal, last->fatal) : 0;
	nonfatal = last->known ? risen(now.nonfatal, last->nonfatal) : 0;
	*last = now;
	if (!fatal && !nonfatal)
		return false;
	topo_address_format(&card->address, address);
	log_warning("%s: %" PRIu64 " fatal and %" PRIu64 " non-fatal errors more at the %s end of "
		    "its link",
		    address, fatal, nonfatal, which);
	return true;
}

void pci_aer_come(evutil_socket_t fd, short what, void *arg)
{
	struct machine *m = arg;
	const struct timeval again = clock_timeval(m->aer_ms);
	bool bad = false;

	(void)fd;
	(void)what;
	if (m->aer_count < m->table.card_count) { /* from 0, after that */
		struct sysfs_aer *aer = realloc(m->aer, 2 * m->table.card_count * sizeof(*aer));

		if (aer) {
			memset(aer + 2 * m->aer_count, 0,
			       2 * (m->table.card_count - m->aer_count) * sizeof(*aer));
			m->aer = aer;
			m->aer_count = m->table.card_count;
		}
	}
	for (size_t i = 0; i < m->aer_count && i < m->table.card_count; i++) {
		const struct pci_card *c = &m->table.cards[i];

		if (!c->in_pool || !c->present)
			continue;
		bad |= aer_look(m, c, &c->address, "card's", &m->aer[2 * i]);
		if (c->has_above)
			bad |= aer_look(m, c, &c->above, "port's", &m->aer[2 * i + 1]);
	}
	/* does it still answer? the look tells */
	if (bad)
		pci_look_start(m, false);
	if (event_add(m->on_aer, &again))
		log_err("machine: no timer: out of memory");
}
