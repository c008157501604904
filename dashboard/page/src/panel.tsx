import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { narrow } from "./store";

/**
 * What is open, beside the list; on a phone, a sheet above it. Enter moves the focus here on a phone only: beside
 * the list, the keyboard stays in the list, so that the arrow keys go on.
 */
export function Panel(props: {
  label: string;
  name: string;
  close: () => void;
  children: ComponentChildren;
}) {
  const panel = useRef<HTMLElement>(null);
  useEffect(() => {
    const before = document.activeElement;
    if (narrow.value) panel.current?.focus();
    return () => {
      const held =
        panel.current?.contains(document.activeElement) || document.activeElement === document.body;
      if (held && before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  useEffect(() => {
    panel.current?.scrollTo({ top: 0 });
  }, [props.name]);
  return (
    <aside ref={panel} class="panel" aria-label={props.label} tabIndex={0}>
      <button type="button" class="plain close" aria-label="Close" title="Close (Esc)" onClick={props.close}>
        ✕
      </button>
      {props.children}
    </aside>
  );
}
