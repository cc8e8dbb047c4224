//go:build !noasm

#include "textflag.h"

// Leaves in X a byte 255 for each of the 32 bytes at P from which a text can
// begin.
#define BEGINS(P, Q, R, X, Y) \
	VPCMPEQB (Q), Y0, X  \
	VPCMPEQB (R), Y0, Y  \
	VPOR     X, Y, X     \
	VPCMPEQB (P), Y0, Y  \
	VPAND    X, Y, X     \
	VPCMPEQB 1(P), Y0, Y \
	VPANDN   X, Y, X

// func endsAVX2(p *byte, n, near, far int, b byte) int
//
// Returns the first i below n, which is a multiple of 64, with p[i] = b, p[i+1]
// another byte, and p[i+near] or p[i+far] = b; or n.
TEXT ·endsAVX2(SB), NOSPLIT, $0-48
	MOVQ         p+0(FP), SI
	MOVQ         n+8(FP), CX
	MOVQ         near+16(FP), DI
	MOVQ         far+24(FP), R8
	VPBROADCASTB b+32(FP), Y0
	XORQ         BX, BX
	ADDQ         SI, DI
	ADDQ         SI, R8

next:
	BEGINS(SI, DI, R8, Y1, Y2)
	ADDQ $32, SI
	ADDQ $32, DI
	ADDQ $32, R8
	BEGINS(SI, DI, R8, Y3, Y4)
	VPOR   Y1, Y3, Y5
	VPTEST Y5, Y5
	JNZ    found
	ADDQ   $32, SI
	ADDQ   $32, DI
	ADDQ   $32, R8
	ADDQ   $64, BX
	CMPQ   BX, CX
	JLT    next
	JMP    done

found:
	VPMOVMSKB Y1, AX
	VPMOVMSKB Y3, DX
	SHLQ      $32, DX
	ORQ       DX, AX
	BSFQ      AX, AX
	ADDQ      AX, BX

done:
	VZEROUPPER
	MOVQ BX, ret+40(FP)
	RET
