/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The API's manual, as it lies in the repository. */
	.section .rodata
	.global openapi_yaml, openapi_yaml_end
openapi_yaml:
	.incbin "openapi.yaml"
openapi_yaml_end:
	.byte 0
	.section .note.GNU-stack, "", @progbits
