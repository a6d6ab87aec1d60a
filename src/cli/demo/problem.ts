/** What a person should read, and no more than that. */
export class DemoProblem extends Error {}
