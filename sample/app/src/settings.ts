/** Development: few products, so that a page is quickly read through. */
export const settings = { title: 'Shop front (development)', featured: 12 };
