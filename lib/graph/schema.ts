/** The op table as data (native/core/ops.json); the generated module fills it. */
export interface DimPattern {
  /** An integer or the name of an attribute. */
  mul: string;
  /** Empty: the constant `add`. A name that ends in `_i` is bound once per repetition. */
  name: string;
  add: number;
}

export interface ShapePattern {
  kind: 'any' | 'free' | 'same' | 'dims';
  like?: string;
  dims: DimPattern[];
}

export interface OperandSchema {
  name: string;
  repeat: boolean;
  writes: boolean;
  optional: boolean;
  /** `float` | `f32` | `i32` | `any` | `=operand` | `@dtype` */
  dtype: string;
  shape: ShapePattern;
  role: { kind: string; of?: string; lo?: number; hi?: DimPattern[] };
}

export interface AttrSchema {
  name: string;
  type: string;
  lo: number;
  hi: number;
}

export interface RuleSchema {
  /** `needs`: where `operand` is present, so are `needs`. `absent_equal`: where it is absent, dimension `a` equals `b`. */
  kind: 'needs' | 'absent_equal';
  operand: string;
  a: string;
  b: string;
  needs: readonly string[];
}

export interface OpSchema {
  id: number;
  name: string;
  view: boolean;
  inputs: OperandSchema[];
  outputs: OperandSchema[];
  attrs: AttrSchema[];
  rules: RuleSchema[];
}
