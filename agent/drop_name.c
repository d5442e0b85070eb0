/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Drop reasons by name, for those who do not see forwarding/. */
#include "agent/agent.h"

#include "forwarding/forwarding.h"

const char *agent_drop_name(unsigned drop)
{
	return forwarding_drop_name(drop);
}
