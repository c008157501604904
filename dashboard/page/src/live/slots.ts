/**
 * Numbers for the rows in view, so that a row keeps its element while it is in view, and a new row takes the
 * element of one that has left: to fill an element is faster than to make one.
 */
export class Slots {
  private of = new Map<string, number>();
  private made = 0;

  /** A number for each of the different `names`, in their order. */
  for(names: readonly string[]): number[] {
    const wanted = new Set(names);
    // In the order of the elements, so that few have to move.
    const free = [...this.of].filter(([name]) => !wanted.has(name)).map(([, slot]) => slot);
    let next = 0;
    const slots = names.map((name) => this.of.get(name) ?? free[next++] ?? this.made++);
    this.of = new Map(names.map((name, i) => [name, slots[i] as number]));
    return slots;
  }
}
