import { useEffect, useRef, useState } from "preact/hooks";

export interface Loaded<T> {
  data: T | null;
  error: string | null;
  /** Whether an answer is awaited for other arguments than those of `data`. */
  pending: boolean;
}

/** A number that grows each `everyMs` while the page is visible. */
export function useBeat(everyMs: number): number {
  const [beat, setBeat] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => document.visibilityState === "visible" && setBeat((n) => n + 1), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return beat;
}

/**
 * Reads again when `key` changes, and quietly (what was read stays) when `turn` does: at most one request at a
 * time, and the latest wish wins.
 */
export function useAnswer<T>(key: string | null, turn: number, load: () => Promise<T>): Loaded<T> {
  const [shown, show] = useState<{ key: string | null; data: T | null; error: string | null }>({
    key: null,
    data: null,
    error: null,
  });
  const wish = useRef({ key, turn, load });
  const busy = useRef(false);
  wish.current = { key, turn, load };

  useEffect(() => {
    const go = async () => {
      if (busy.current || wish.current.key === null) return;
      busy.current = true;
      const { key: asked, turn: asOf, load: read } = wish.current;
      try {
        const data = await read();
        if (wish.current.key === asked) show({ key: asked, data, error: null });
      } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        // What was read before stays in view; the banner says that the server is away.
        if (wish.current.key === asked) {
          show((before) =>
            before.key === asked && before.data ? before : { key: asked, data: null, error: message },
          );
        }
      } finally {
        busy.current = false;
      }
      if (wish.current.key !== asked || wish.current.turn !== asOf) void go();
    };
    void go();
  }, [key, turn]);

  const current = shown.key === key;
  return { data: shown.data, error: current ? shown.error : null, pending: !current };
}

/** Whether `what` has been so for `ms` milliseconds: a short wait is not worth a picture of its own. */
export function useLate(what: boolean, ms = 150): boolean {
  const [late, setLate] = useState(false);
  useEffect(() => {
    if (!what) return;
    const timer = setTimeout(() => setLate(true), ms);
    return () => {
      clearTimeout(timer);
      setLate(false);
    };
  }, [what]);
  return what && late;
}

/** The width and height of an element in pixels, as it changes. */
export function useSize<E extends Element>() {
  const ref = useRef<E>(null);
  const [size, setSize] = useState({ width: 0, height: 0 });
  useEffect(() => {
    const element = ref.current;
    if (!element) return;
    const observer = new ResizeObserver(([entry]) => {
      const box = entry?.contentRect;
      if (box) setSize({ width: Math.floor(box.width), height: Math.floor(box.height) });
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return { ref, ...size };
}
