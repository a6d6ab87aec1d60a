import './services.ts';

/** jest's globalTeardown: ends what `start-services.ts` started and removes its data. */
export default async function stopServices(): Promise<void> {
  await Promise.all((globalThis.startedServices ?? []).map((service) => service.stop()));
}
