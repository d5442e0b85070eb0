/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QR codes as SVG and as Unicode blocks. */
#pragma once

struct buf;

/* Appends the code of text. 0; -EMSGSIZE: too long for a QR code; -ENOSPC, -ENOMEM: of buf. */
int qr_svg(const char *text, struct buf *buf);
/* Light modules are full blocks: for terminals with a dark background, as most have. */
int qr_text(const char *text, struct buf *buf);
