/** The protocols by name. */
import { metaicl } from './metaicl.ts';
import { p3 } from './p3.ts';
import { sni } from './sni.ts';
import { standard } from './standard.ts';

export const PROTOCOLS = { default: standard, p3, metaicl, sni } as const;
export type ProtocolName = keyof typeof PROTOCOLS;
