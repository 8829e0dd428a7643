// Dates in headers. Pure.

const HTTP_DATE =
  /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{2} (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d{2}:\d{2}:\d{2} GMT$/;

/** An IMF-fixdate as epoch ms. The two obsolete forms of RFC 9110 count as absent: the header is only a hint. */
export function httpDate(text: string | undefined): number | undefined {
  // Date.parse alone makes a date of '-5', '2026' and more.
  if (text === undefined || !HTTP_DATE.test(text)) return undefined;
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : at;
}
